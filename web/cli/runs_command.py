"""`runs`: lists, shows, stops and forgets the answers in the store, from a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from ...service.settings.settings import SettingsError
from .environment import find_application, sources_of_settings

# What only these commands need is imported there: each worker of an application loads this module.

T = TypeVar("T")

# As `RunState` has them.
_STATES = ("running", "completed", "stopped", "failed", "interrupted")
# Exit codes: what was asked for cannot be done; the store cannot be used.
FAILED, NO_STORE = 1, 3

_as_json = click.option("--json", "as_json", is_flag=True, help="For programs. Ids are whole.")


class NoStore(click.ClickException):
    """The store cannot be used. The text says why, and what to change."""

    exit_code = NO_STORE


@click.group("runs")
def runs_commands() -> None:
    """Look after the answers that outlive their connection.

    The store is that of SLUICE_STORE. For `sqlite:` without a file, run it in the server's folder and as its user.
    Without `show ID --text` no text of an answer is shown. Exit codes: 0; 1 where there is no such answer, or it goes
    on; 2 for a wrong option; 3 where the store cannot be used.
    """


@runs_commands.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only the answers in this state.")
@click.option("--owner-of", "user", metavar="USER", help="Only those of the user whom `authorize` names so.")
@click.option("--full", is_flag=True, help="Show whole ids. Who has one, and is its owner, can read the answer.")
@_as_json
@click.pass_context
def list_runs(context: click.Context, state: str | None, user: str | None, full: bool, as_json: bool) -> None:
    """List answers, the newest first; at most 1,000."""
    from ...service.runs.stores.base import RunState
    from .run_tables import MOST_LISTED, as_fields, as_table
    from .store_session import StoreSession

    owner = None if user is None else _owner_of(context, user)

    async def ask(session: StoreSession) -> Any:
        return await session.store.list_runs(owner, None if state is None else RunState(state))

    records = _with_store(context, ask)
    if as_json:
        _write_json({"runs": [as_fields(record) for record in records]})
        return
    click.echo(as_table(records, time.time(), is_full=full))
    if len(records) == MOST_LISTED:
        _say(f"only the newest {MOST_LISTED:,} are listed")


@runs_commands.command("show")
@click.argument("run_id", metavar="ID")
@click.option("--text", "with_text", is_flag=True, help="Show the answer's text and its calls of tools, too.")
@_as_json
@click.pass_context
def show(context: click.Context, run_id: str, with_text: bool, as_json: bool) -> None:
    """Show what is known of one answer. ID is its id, or the first 6 characters or more where these are unique."""
    from .run_tables import as_fields, as_lines, without_controls
    from .run_texts import as_text, as_text_fields
    from .store_session import StoreSession

    async def ask(session: StoreSession) -> Any:
        record = await session.find(run_id)
        return record, await session.read_events(record) if with_text else None

    record, events = _with_store(context, ask)
    if as_json:
        _write_json(as_fields(record) | ({} if events is None else as_text_fields(events)))
        return
    click.echo(as_lines(record, time.time()))
    if events is not None:
        click.echo(f"\n{without_controls(as_text(events))}")


@runs_commands.command("stop")
@click.argument("run_id", metavar="ID")
@_as_json
@click.pass_context
def stop(context: click.Context, run_id: str, as_json: bool) -> None:
    """Stop one answer, on whichever worker it is, and wait for its end."""
    from ...service.runs.stores.base import RunState, cut_id
    from .run_tables import as_fields
    from .store_session import StoreSession

    async def ask(session: StoreSession) -> Any:
        record = await session.find(run_id)
        return record, await session.stop([record], _say)

    before, after = _with_store(context, ask)
    record = after[0]
    if as_json:
        _write_json(as_fields(record))
    elif before.state is not RunState.RUNNING:
        click.echo(f"{cut_id(record.run_id)} had ended: {record.state}")
    else:
        click.echo(f"{cut_id(record.run_id)} {record.state}")
    if record.state is RunState.RUNNING:
        _say("Its worker has not stopped it yet. One that gives no sign of life is replaced within 10 s.")
        context.exit(FAILED)


@runs_commands.command("purge")
@click.option("--ended", is_flag=True, help="Forget the answers that have ended.")
@click.option("--all", "everything", is_flag=True, help="Stop those that run, and forget all.")
@_as_json
@click.pass_context
def purge(context: click.Context, ended: bool, everything: bool, as_json: bool) -> None:
    """Forget answers at once, with their texts."""
    if ended is everything:
        raise click.UsageError("Name what to forget: --ended, or --all to stop those that run, too.")
    from .store_session import StoreSession

    async def ask(session: StoreSession) -> int:
        return await session.purge(_say, stops=everything)

    count = _with_store(context, ask)
    if as_json:
        _write_json({"forgotten": count})
    else:
        click.echo(f"{count} forgotten")


def _with_store(context: click.Context, ask: Callable[[Any], Awaitable[T]]) -> T:
    """Call a function with the open store of the settings, and close it."""
    from ...service.runs.stores.base import StoreUnavailable
    from .store_session import NoSuchRun, StoreSession, UnusableStore, read_storage

    async def run() -> T:
        async with StoreSession(storage) as session:
            return await ask(session)

    try:
        storage = read_storage(sources_of_settings(context, find_application(context)))
        return asyncio.run(run())
    except NoSuchRun as error:
        raise click.ClickException(str(error)) from None
    except (SettingsError, UnusableStore) as error:
        raise NoStore(str(error)) from None
    except StoreUnavailable as error:
        raise NoStore(f"The store does not answer: {error}") from None


def _owner_of(context: click.Context, user: str) -> str:
    """Return what the store has in place of a user's key."""
    from ..security.run_owner import digest_of_user

    app = find_application(context)
    if app is None or not app.secret_key:
        raise click.UsageError(
            "--owner-of needs the application whose user it is, with its secret_key: flask --app NAME sluice runs"
        )
    with app.app_context():
        return digest_of_user(user)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _write_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
