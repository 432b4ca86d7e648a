"""Behaviour of the page that each browser's engine should show."""
