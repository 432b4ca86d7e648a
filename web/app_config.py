"""Settings in `app.config`: their values are Python's, and are read like the texts of environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..service.settings.sources import FILE_SUFFIX

# Others, such as HOST and PORT, are those of the server, which is not the application's.
_PREFIXES = ("SLUICE_", "OPENAI_")
# Settings whose text is JSON; a list of others is names with commas between them.
_JSON = {"SLUICE_STARTERS"}


def settings_in_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings in a Flask configuration, as texts by their names. None counts as not set.

    Args:
        config: `app.config`. True and False stand for `on` and `off`; names may be a list.
    """
    return {
        name: _text(name, value)
        for name, value in config.items()
        if isinstance(name, str) and name.startswith(_PREFIXES) and value is not None
    }


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if name in _JSON and not isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def with_config(environ: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment with the settings of a Flask configuration over it.

    Args:
        environ: Usually `os.environ`.
        config: `app.config`.
    """
    over = settings_in_config(config)
    # A value and the file that holds it are one setting: the configuration's counts.
    hidden = {f"{name}{FILE_SUFFIX}" for name in over} | {name.removesuffix(FILE_SUFFIX) for name in over}
    return {**{name: value for name, value in environ.items() if name not in hidden}, **over}
