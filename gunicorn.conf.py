"""The production server: `gunicorn -c gunicorn.conf.py wsgi:app`. Its values are those of `sluice/gunicorn.py`.

gunicorn takes this file by itself where it is started in this folder, also for other applications and worker classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

# gunicorn may have been started in another folder.
_folder = str(Path(__file__).resolve().parent)
_was_listed = _folder in sys.path
sys.path.insert(0, _folder)

from sluice.web.master.import_path import place_folder

place_folder(_folder, was_listed=_was_listed)

from sluice.gunicorn import *  # noqa: F403

# Where gunicorn is started without the name of an application.
wsgi_app = "wsgi:app"
