"""`config`: every setting, its value and where it comes from, as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...service.settings.names import warn_of_names
from ...service.settings.origins import SettingOrigin, describe_settings
from ...service.settings.settings import Settings, SettingsError
from ...service.settings.sources.setting_files import SettingFiles
from .environment import APP_CONFIG, ENVIRONMENT, Sources

# Characters of a value in the table. A system message may have thousands.
_MOST = 48


@dataclass(frozen=True)
class SettingsReport:
    """What is set, and what is wrong with it."""

    settings: list[SettingOrigin]
    #: A sentence for each bad value, or each that lacks another.
    problems: list[str]
    #: A sentence for each variable that looks like a setting and is none.
    unknown: list[str]
    #: A sentence for each pair of values that do not go together.
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it for programs. A secret's value is null."""
        settings = [
            {
                "name": each.name,
                "value": _plain(each.value),
                "set": each.is_set,
                "source": each.origin,
                "file": each.file or None,
                "secret": each.is_secret,
                "problem": each.problem or None,
            }
            for each in self.settings
        ]
        return {"settings": settings, "problems": self.problems, "unknown": self.unknown, "notes": self.notes}

    def as_text(self) -> str:
        """Return it for people."""
        rows = [(each.name, _shown(each), _origin(each)) for each in self.settings]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}" for name, value, origin in rows]
        sections = (("Bad values", self.problems), ("No settings", self.unknown), ("Notes", self.notes))
        for title, sentences in sections:
            if sentences:
                lines += ["", f"{title}:", *(f"  {sentence}" for sentence in sentences)]
        return "\n".join(lines)


def report_settings(sources: Sources) -> SettingsReport:
    """Examine all settings.

    Args:
        sources: The name and the variables of each source; the first one that sets a variable wins.
    """
    files = SettingFiles(Path.cwd())
    problems: list[str] = []
    notes: list[str] = []
    try:
        notes = Settings.read([variables for _, variables in sources], files).contradictions()
    except SettingsError as error:
        problems = error.problems
    unknown = [
        sentence
        for origin, variables in sources
        for sentence in warn_of_names(
            variables,
            "" if origin == ENVIRONMENT else f" in {origin}",
            is_dotenv=origin not in (ENVIRONMENT, APP_CONFIG),
        )
    ]
    return SettingsReport(describe_settings(sources, files), problems, unknown, notes)


def _shown(setting: SettingOrigin) -> str:
    if setting.problem:
        return "(bad)"
    if setting.is_secret:
        return "(set)" if setting.is_set else "(not set)"
    value = _plain(setting.value)
    if isinstance(value, list):
        value = ", ".join(value)
    elif isinstance(value, float):
        value = f"{value:g}"
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    text = "" if value is None else " ".join(str(value).split())
    return f"{text[: _MOST - 3]}..." if len(text) > _MOST else text or "-"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _origin(setting: SettingOrigin) -> str:
    return f"{setting.file}, named in {setting.origin}" if setting.file else setting.origin
