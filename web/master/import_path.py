"""Where Python looks for modules in gunicorn's processes."""

from __future__ import annotations

import os
import sys

from ..intake.gunicorn_internals import GUNICORN_FOLDER
from .start_folder import find_working_directory


def remove_gunicorn_folder() -> None:
    """Remove gunicorn's own folder from `sys.path`.

    After USR2, a server that was started by `python -m gunicorn` runs gunicorn's `__main__.py` as a script. That puts
    the folder before the standard library: its `http` would be taken for Python's.
    """
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != GUNICORN_FOLDER]


def place_folder(folder: str, *, was_listed: bool) -> None:
    """Bring the folder of a configuration file to its place in `sys.path`, once Sluice has been found there.

    Args:
        folder: The folder, which is first in `sys.path`.
        was_listed: Whether it was in `sys.path` before.
    """
    sys.path.remove(folder)
    if str(find_working_directory()) == folder:
        sys.path.insert(0, folder)
    elif not was_listed:
        # Last: the working directory may have another `wsgi`.
        sys.path.append(folder)
