"""The built-in demo model: a server on this machine that recites a script."""
