"""The built-in demo model: a server on 127.0.0.1 that answers from a script."""
