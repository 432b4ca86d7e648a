"""Connections to clients: accept, write, notice that the client has gone, close."""
