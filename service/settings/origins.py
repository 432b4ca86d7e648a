"""Where each setting's value comes from, for a report to the operator. No secret is in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fields import setting_fields
from .settings import Settings, parse_value
from .sources.setting_files import FILE_SUFFIX, SettingFiles, find_text, read_dotenv

#: The origin of a value that nothing sets.
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """One setting: its value, and where it was set."""

    name: str
    #: The value; the default where the written one is bad; None for a secret.
    value: Any
    is_secret: bool
    is_set: bool
    #: `default`, or the name of the source.
    origin: str
    #: The file that a variable with `_FILE` behind its name names; empty for none.
    file: str
    #: What is wrong with it; empty for nothing.
    problem: str


def describe_settings(sources: Sequence[tuple[str, Mapping[str, str]]], files: SettingFiles) -> list[SettingOrigin]:
    """Describe all settings.

    Args:
        sources: The name and the variables of each source; the first one that sets a variable wins.
        files: Reads the files that variables name.
    """
    return [_describe(field, default, sources, files) for field, default in setting_fields(Settings())]


def _describe(
    field: dataclasses.Field[Any],
    default: Any,
    sources: Sequence[tuple[str, Mapping[str, str]]],
    files: SettingFiles,
) -> SettingOrigin:
    variable, is_secret = field.metadata["variable"], field.metadata["secret"]
    for origin, variables in sources:
        file = variables.get(variable + FILE_SUFFIX, "").strip() if field.metadata["from_file"] else ""
        value, problem = default, ""
        try:
            text = find_text(variable, (variables,), files if field.metadata["from_file"] else None)
            if not text:
                continue
            value = parse_value(field, text)
        except ValueError as error:
            problem = str(error)
        return SettingOrigin(variable, None if is_secret else value, is_secret, True, origin, file, problem)
    return SettingOrigin(variable, None if is_secret else default, is_secret, False, DEFAULT, "", "")


def variables_of_dotenv_files(
    environ: Mapping[str, str], folder: Path, names: Sequence[str], files: SettingFiles
) -> list[tuple[Path, dict[str, str]]]:
    """Return the variables that a program such as `flask` has put into the environment, by the files they are of.

    Such a program reads the nearest file of each name, in the folder or above it, and replaces `${NAME}`. A variable
    that had the same value before is taken for one of the file.

    Args:
        environ: The environment, with them.
        folder: The working directory.
        names: The files' names, such as `.env`; the first one that sets a variable wins.
        files: Reads the files.
    """
    found: list[tuple[Path, dict[str, str]]] = []
    seen: set[str] = set()
    for name in names:
        path = next((each / name for each in (folder, *folder.parents) if (each / name).is_file()), None)
        if path is None:
            continue
        written, _ = read_dotenv(path, files)
        taken = {
            key: environ[key]
            for key, text in written.items()
            if key in environ and key not in seen and (environ[key] == text or "$" in text)
        }
        seen |= taken.keys()
        if taken:
            found.append((path, taken))
    return found
