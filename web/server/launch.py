"""How gunicorn was started: where, and where it is told to work.

The master keeps this one module when it forgets the others (`gunicorn_hooks.py`): on HUP the configuration is read in
another folder than at the start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ..intake.gunicorn_internals import Config

#: Where gunicorn was started. Relative paths on its command line count from here.
STARTED_IN: Final = Path.cwd()


def find_working_directory() -> Path:
    """Say where the application will run: gunicorn goes there only after it has read its configuration."""
    config = Config()
    parser = config.parser()
    # As gunicorn has it: the command line stands over the environment.
    for arguments in (sys.argv[1:], config.get_cmd_args_from_env()):
        given: str | None = parser.parse_known_args(arguments)[0].chdir
        if given is not None:
            return (STARTED_IN / given).resolve()
    return Path.cwd()
