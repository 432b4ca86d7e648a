"""Where Python looks for modules in gunicorn's processes: the folder of `gunicorn.conf.py` at its right place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..intake.gunicorn_internals import GUNICORN_FOLDER


def order_import_path(folder: str, working_directory: Path, *, was_listed: bool) -> None:
    """Bring `sys.path` into its order, while the configuration is read.

    Args:
        folder: The folder of the configuration, which is first in `sys.path` for as long as it imports Sluice.
        working_directory: Where the application will run.
        was_listed: Whether the folder was in `sys.path` before.
    """
    # After USR2, a server that was started by `python -m gunicorn` runs gunicorn's `__main__.py` as a script, which
    # puts gunicorn's folder before the standard library: its `http` would be taken for Python's.
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != GUNICORN_FOLDER]
    sys.path.remove(folder)
    if str(working_directory) == folder:
        sys.path.insert(0, folder)
    elif not was_listed:
        # Last: the working directory may have another `wsgi`.
        sys.path.append(folder)
