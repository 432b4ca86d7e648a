"""Settings in `app.config`: their values are Python's, and are read like the texts of environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Others, such as HOST and PORT, are those of the server, which is not the application's.
_PREFIXES = ("SLUICE_", "OPENAI_")
# Settings whose text is JSON; a list of others is names with commas between them.
_JSON = {"SLUICE_STARTERS"}


def settings_in_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings in a Flask configuration, as texts by their names. None counts as not set.

    Args:
        config: `app.config`. True and False stand for `on` and `off`; names may be a list. An empty text stays one:
            as in the environment, it counts as not set.
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
