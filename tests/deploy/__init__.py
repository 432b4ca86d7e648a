"""The files of deploy/, run for real: nginx in front of gunicorn, and the command of the systemd unit."""
