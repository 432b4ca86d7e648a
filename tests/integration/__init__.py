"""Tests over real gunicorn and real sockets; only the model is scripted, and it is a real HTTP server."""
