"""The WSGI application, for `gunicorn wsgi:app`."""

from sluice import create_app

app = create_app()
#: The name that servers look for where none is given, as in `gunicorn wsgi`.
application = app
