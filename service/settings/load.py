"""Loads the settings of this process: from the environment, and from files or what the server has kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .settings import Settings, SettingsError
from .sources import kept_files
from .sources.setting_files import SettingFiles, read_dotenv

# Names that many programs use. In somebody else's application they may mean something else.
_OF_THE_SERVER = frozenset({"HOST", "PORT", "WEB_CONCURRENCY"})


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
    #: Sentences about lines of `.env` that were skipped. Empty where `.env` is Sluice's own: there they are errors.
    skipped: Sequence[str] = ()


def load_settings(
    environ: Mapping[str, str], dotenv: Path, *, config: Mapping[str, str] | None = None, is_guest: bool = False
) -> LoadedSettings:
    """Read the settings. Waits while a file is being written, at most a few seconds.

    Args:
        environ: Usually `os.environ`.
        dotenv: The `.env` file, whose folder is where relative paths of other files start.
        config: As `Settings.load`.
        is_guest: Whether environment and file are those of somebody else's application. Then the names of the server
            are ignored, and bad lines between good ones are skipped: they may be for another program.

    Raises:
        SettingsError: The settings are bad.
    """
    earlier = kept_files.earlier()
    files = SettingFiles(dotenv.parent, kept=kept_files.kept(), earlier=earlier, settles=True)
    path = dotenv.parent.resolve() / dotenv.name
    written, problems = read_dotenv(path, files)
    # Of a file that cannot be read at all, Sluice's own settings would be missing.
    if problems and not (is_guest and written):
        raise SettingsError(problems)
    if is_guest:
        environ, written = _without_server(environ), _without_server(written)
    settings = Settings.load(environ, written, files, config)
    lost = bool(earlier.get(str(path))) and not files.contents[str(path)]
    return LoadedSettings(settings, written, files.contents, lost, problems)


def _without_server(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in _OF_THE_SERVER}
