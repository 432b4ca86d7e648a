"""gunicorn's workers: accepting, receiving, serving, draining; the hooks that join them to the master."""
