"""Loads the settings of this process: from the environment, and from files or what the server has kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import kept_files
from .settings import Settings, SettingsError
from .sources import SettingFiles, read_dotenv


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and what they are of."""

    settings: Settings
    #: The variables of `.env`.
    written: Mapping[str, str]
    #: What the files held, for `kept_files.keep`.
    contents: Mapping[str, bytes | None]
    #: Whether `.env` had a text at the last start or reload, and now has none.
    has_lost_dotenv: bool


def load_settings(environ: Mapping[str, str], dotenv: Path) -> LoadedSettings:
    """Read the settings. Waits while a file is being written, at most a few seconds.

    Args:
        environ: Usually `os.environ`.
        dotenv: The `.env` file, whose folder is where relative paths of other files start.

    Raises:
        SettingsError: The settings are bad.
    """
    earlier = kept_files.earlier()
    files = SettingFiles(dotenv.parent, kept=kept_files.kept(), earlier=earlier, settles=True)
    path = dotenv.parent.resolve() / dotenv.name
    written, problems = read_dotenv(path, files)
    if problems:
        raise SettingsError(problems)
    settings = Settings.load(environ, written, files)
    lost = bool(earlier.get(str(path))) and not files.contents[str(path)]
    return LoadedSettings(settings, written, files.contents, lost)
