"""The life of gunicorn's processes: start, signals, drain, replacement."""
