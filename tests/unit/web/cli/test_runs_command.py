"""`flask sluice runs` over a store with some answers, which no server serves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from sluice.service.events.events import Custom, Finished, Text, ToolCall, ToolResult
from sluice.service.runs.stores.base import Append, Batch, NewRun, RunState, RunStore, StoreLimits
from sluice.service.runs.stores.sqlite import SqliteStore
from sluice.service.settings.names import known_names
from sluice.service.stored_runs.event_codec import encode_events
from sluice.web.cli import runs_command, store_session
from sluice.web.cli.commands import sluice_commands
from sluice.web.security.run_owner import digest_of_user

TAG = "abcdef"
RUNNING, ENDED, OTHER = (TAG + digit * 32 for digit in "123")
SECRET = "a secret answer"
TEXT = f"{SECRET} \x1b]0;title\x07 你好 \ud800"


def make_app() -> Flask:
    app = Flask("host")
    app.secret_key = "secret"
    return app


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with an answer that runs, one of ada's that has ended, and one of eve's."""
    monkeypatch.chdir(tmp_path)
    for name in (*known_names(), "FLASK_APP"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "runs.db"
    monkeypatch.setenv("SLUICE_STORE", f"sqlite:{path}")

    async def fill(store: RunStore) -> None:
        for run_id, user, is_whole in ((RUNNING, "ada", False), (ENDED, "ada", True), (OTHER, "eve", True)):
            with make_app().app_context():
                owner = digest_of_user(user)
            await store.create(NewRun(run_id, owner, "one-host"))
            events = [Text(TEXT, 3), *([Finished("stop", None)] if is_whole else [])]
            batch = Batch(1, len(events), encode_events(events))
            end = RunState.COMPLETED if is_whole else None
            await store.append([Append(run_id, 1, batch, end, "stop" if is_whole else "")])

    in_store(path, fill)
    return path


def in_store(path: Path, function: Callable[[RunStore], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        store = SqliteStore(path, StoreLimits())
        await store.open(lambda _: None)
        try:
            return await function(store)
        finally:
            await store.close()

    return asyncio.run(run())


def states(path: Path) -> dict[str, str]:
    """Return the state of each answer that is kept."""

    async def ask(store: RunStore) -> dict[str, str]:
        return {record.run_id: str(record.state) for record in await store.list_runs(None)}

    found: dict[str, str] = in_store(path, ask)
    return found


def run(*arguments: str, create_app: Callable[[], Flask] | None = make_app) -> Result:
    info = None if create_app is None else ScriptInfo(create_app=create_app)
    done = CliRunner().invoke(sluice_commands, ["runs", *arguments], obj=info)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def listed(*arguments: str) -> list[str]:
    done = run("list", "--json", *arguments)
    assert done.exit_code == 0
    return [each["id"] for each in json.loads(done.stdout)["runs"]]


def test_the_list_is_for_people_with_cut_ids_and_no_texts(file: Path) -> None:
    done = run("list")
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["ID", "STATE", "REASON", "BEGAN", "EVENTS", "BYTES", "READ", "OWNER", "HOST"]
    assert {row[0]: row[1] for row in rows} == {
        RUNNING[:14]: "running",
        ENDED[:14]: "completed",
        OTHER[:14]: "completed",
    }
    assert RUNNING not in done.output
    assert SECRET not in done.output
    assert RUNNING in run("list", "--full").stdout


def test_the_list_can_be_of_one_state_and_of_one_user(file: Path) -> None:
    assert set(listed()) == {RUNNING, ENDED, OTHER}
    assert listed("--state", "running") == [RUNNING]
    assert set(listed("--owner-of", "ada")) == {RUNNING, ENDED}
    assert listed("--owner-of", "ada", "--state", "completed") == [ENDED]
    assert listed("--owner-of", "nobody") == []
    assert run("list", "--owner-of", "nobody").stdout == "no answers\n"
    assert run("list", "--state", "gone").exit_code == 2


@pytest.mark.parametrize("create_app", [None, lambda: Flask("without a secret key")])
def test_a_users_answers_are_not_listed_without_the_secret_key_of_the_application(
    file: Path, create_app: Callable[[], Flask] | None
) -> None:
    done = run("list", "--owner-of", "ada", create_app=create_app)
    assert done.exit_code == 2
    assert "--owner-of needs the application whose user it is, with its secret_key" in done.stderr


def test_one_answer_is_shown_by_the_beginning_of_its_id_and_its_text_only_where_it_is_asked_for(file: Path) -> None:
    done = run("show", ENDED[:7])
    assert done.exit_code == 0
    assert "state         completed" in done.stdout
    assert SECRET not in done.output
    shown = json.loads(run("show", ENDED, "--json").stdout)
    assert (shown["id"], shown["reason"], shown["last_event"], shown["host"]) == (ENDED, "stop", 2, "one-host")
    assert "text" not in shown
    with_text = run("show", ENDED[:7], "--text").stdout
    # What a terminal would obey is replaced, and what cannot be written, too.
    assert f"\n\n{SECRET} \N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER} 你好 ?\n" in with_text
    assert json.loads(run("show", ENDED, "--text", "--json").stdout)["text"] == TEXT.replace("\ud800", "?")


def test_calls_of_tools_are_shown_between_the_texts_of_an_answer(file: Path) -> None:
    events = [
        Text("Let me see."),
        ToolCall("c1", "search", '{"q": "x"}'),
        ToolCall("c2", "send", "{}", needs_consent=True),
        Custom("citation", b'{"page": 7}'),
        ToolResult("c1", "search", "found \x1b[2J\n" + "a" * 300, seconds=0.41),
        ToolResult("c2", "send", "The person did not allow it.", is_error=True, seconds=2.0),
        Text("It is "),
        Text("there."),
    ]

    async def add(store: RunStore) -> None:
        await store.append([Append(RUNNING, 1, Batch(2, len(events), encode_events(events)), None, "")])

    in_store(file, add)
    shown = run("show", RUNNING, "--text").stdout
    lines = shown.partition("\n\n")[2].splitlines()[-7:]
    assert lines[0].endswith("Let me see.")
    assert lines[1:4] == [
        '[calls search with {"q": "x"}]',
        "[calls send with {}, which needs consent]",
        '[citation: {"page": 7}]',
    ]
    assert lines[4].startswith("[search answered after 0.4 s: found \N{REPLACEMENT CHARACTER}[2J aaa")
    assert lines[4].endswith("… (311 characters)]")
    assert lines[5:] == ["[send failed after 2.0 s: The person did not allow it.]", "It is there."]
    fields = json.loads(run("show", RUNNING, "--text", "--json").stdout)
    assert fields["text"].endswith("Let me see.It is there.")
    assert [call["name"] for call in fields["tool_calls"]] == ["search", "send"]
    assert fields["tool_calls"][1]["is_error"] is True


@pytest.mark.parametrize("command", ["show", "stop"])
@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (TAG, "3 answers have ids that begin with 'abcdef': give more characters."),
        (TAG[:5], "'abcde' should have at least 6 characters of an answer's id."),
        ("abcdef9", "There is no answer whose id begins with 'abcdef9', or it is no longer kept."),
        ("", "'' should have at least 6 characters of an answer's id."),
    ],
)
def test_an_id_that_names_no_answer_or_several_is_refused_with_a_sentence(
    file: Path, command: str, named: str, sentence: str
) -> None:
    done = run(command, named)
    assert (done.exit_code, done.stdout) == (runs_command.FAILED, "")
    assert done.stderr == f"Error: {sentence}\n"
    assert states(file)[RUNNING] == "running"


def test_a_stop_of_an_answer_whose_worker_says_nothing_fails_after_a_while_and_shows_that_it_waits(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_session, "STOP_TIMEOUT", 0.3)
    monkeypatch.setattr(store_session, "PROGRESS_INTERVAL", 0.1)
    done = run("stop", RUNNING[:7])
    assert (done.exit_code, done.stdout) == (runs_command.FAILED, f"{RUNNING[:14]} running\n")
    assert "waiting for the end of 1\n" in done.stderr
    assert json.loads(run("show", RUNNING, "--json").stdout)["stop"] == "stopped"


def test_a_stop_of_an_answer_that_has_ended_changes_nothing(file: Path) -> None:
    done = run("stop", ENDED)
    assert (done.exit_code, done.stdout) == (0, f"{ENDED[:14]} had ended: completed\n")
    assert states(file)[ENDED] == "completed"


def test_a_purge_forgets_what_it_is_told_to_and_nothing_without_a_word(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_session, "STOP_TIMEOUT", 0.1)
    for arguments in ([], ["--all", "--ended"]):
        assert run("purge", *arguments).exit_code == 2
    assert len(states(file)) == 3
    assert run("purge", "--ended").stdout == "2 forgotten\n"
    assert states(file) == {RUNNING: "running"}
    assert json.loads(run("purge", "--all", "--json").stdout) == {"forgotten": 1}
    assert states(file) == {}
    assert run("purge", "--all").stdout == "0 forgotten\n"


def test_a_long_purge_shows_how_far_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_session, "PROGRESS_INTERVAL", 0.0)
    assert "1 forgotten\n2 forgotten\n" in run("purge", "--ended").stderr


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        ("off", "SLUICE_STORE=off: answers end with their connection, and none is kept."),
        ("memory:", "SLUICE_STORE=memory: keeps answers inside each worker, where no other process can see them."),
        ("sqlite:/nowhere/runs.db", "There is no store /nowhere/runs.db: no answer was kept there yet."),
        ("redis://:a-password@127.0.0.1:9/0", "The store does not answer: "),
        ("paper:", "SLUICE_STORE"),
    ],
)
def test_a_store_that_cannot_be_used_is_said_with_a_code_of_its_own(
    file: Path, monkeypatch: pytest.MonkeyPatch, store: str, sentence: str
) -> None:
    monkeypatch.setenv("SLUICE_STORE", store)
    for command in (["list"], ["show", ENDED], ["stop", ENDED], ["purge", "--all"]):
        done = run(*command)
        assert (done.exit_code, done.stdout) == (runs_command.NO_STORE, "")
        assert sentence in done.stderr
        assert "a-password" not in done.output
