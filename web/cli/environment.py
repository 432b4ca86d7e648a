"""What a command is run in: the application, if there is one, and the sources of its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from ...service.settings.origins import variables_of_dotenv_files
from ...service.settings.settings import SettingsError
from ...service.settings.sources.setting_files import SettingFiles, read_dotenv
from ..app_config import settings_in_config

# Flask takes an application from these where none is named.
_APPLICATION_FILES = ("wsgi.py", "app.py")
_FLASK_FILES = (".env", ".flaskenv")

#: The names of two sources; those of the others are paths.
APP_CONFIG = "app.config"
ENVIRONMENT = "environment"

Sources = list[tuple[str, Mapping[str, str]]]


def is_run_by_flask(context: click.Context) -> bool:
    """Return whether the command was typed as `flask sluice ...`."""
    return isinstance(context.find_root().obj, ScriptInfo)


def find_application(context: click.Context) -> Flask | None:
    """Return the application that `flask` was given or finds; None where there is none.

    Raises:
        NoAppException: There is one, and it cannot be loaded.
    """
    info: Any = context.find_root().obj
    if not isinstance(info, ScriptInfo):
        return None
    try:
        return info.load_app()
    except NoAppException:
        if info.app_import_path or info.create_app or any(Path(name).exists() for name in _APPLICATION_FILES):
            raise
        return None


def environment_without_dotenv(context: click.Context) -> tuple[dict[str, str], Sources]:
    """Return the environment as it was before `flask` added the variables of files, and these, file by file.

    Args:
        context: The command's.
    """
    environ = dict(os.environ)
    files: Sources = []
    if is_run_by_flask(context):
        folder = Path.cwd()
        for path, taken in variables_of_dotenv_files(environ, folder, _FLASK_FILES, SettingFiles(folder)):
            files.append((str(path), taken))
            for name in taken:
                del environ[name]
    return environ, files


def sources_of_settings(context: click.Context, app: Flask | None) -> Sources:
    """Return all sources of settings; the first one that sets a variable wins.

    Args:
        context: The command's.
        app: The application, whose configuration is the first source.

    Raises:
        SettingsError: `.env` cannot be read, or has lines without effect.
    """
    dotenv = Path.cwd() / ".env"
    environ, files = environment_without_dotenv(context)
    written, problems = read_dotenv(dotenv, SettingFiles(Path.cwd()))
    if problems:
        raise SettingsError(problems)
    configuration: Sources = [(APP_CONFIG, settings_in_config(app.config))] if app is not None else []
    return [*configuration, (ENVIRONMENT, environ), *files, (str(dotenv), written)]
