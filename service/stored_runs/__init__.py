"""Runs that outlive their readers: written behind their log into a store, and read from any process."""
