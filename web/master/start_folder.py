"""The folder in which gunicorn was started, and the one in which the application runs.

The master keeps this module over HUP (`gunicorn_hooks.py`), when gunicorn reads its configuration in another folder
than at the start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ..intake.gunicorn_internals import Config

#: The folder in which gunicorn was started. Relative paths on its command line start here.
STARTED_IN: Final = Path.cwd()


def find_working_directory() -> Path:
    """Return the folder in which the application will run. gunicorn changes to it after reading its configuration."""
    config = Config()
    parser = config.parser()
    # As in gunicorn, the command line overrides the environment.
    for arguments in (sys.argv[1:], config.get_cmd_args_from_env()):
        given: str | None = parser.parse_known_args(arguments)[0].chdir
        if given is not None:
            return (STARTED_IN / given).resolve()
    return Path.cwd()
