"""The application that `doctor` serves for a moment, for gunicorn: the one that FLASK_APP names, or Flask finds."""

from __future__ import annotations

import os

from flask.cli import ScriptInfo

application = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
