"""Connections to clients: errors of accepting one, the notice that a client has disconnected, closing."""
