"""Answers that outlive their connection, over HTTP: begun, read from any event, joined, stopped, forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.run_client import RunClient, read_all, run_id_of
from tests.support.running_server import RunningServer, start_server
from tools.common.raw_client import RawClient, fetch, post_chat
from tools.common.scripted_model import Chunk, Headers, finished, reply, said

WORDS = tuple(f"word{number} " for number in range(1, 11))
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 9, "completion_tokens": 10, "total_tokens": 19}


@pytest.fixture
def browser(running_server: RunningServer) -> RunClient:
    return RunClient(running_server.url)


def begin_held(server: RunningServer, browser: RunClient, words: int = 3) -> tuple[str, object, int]:
    """Begin an answer whose model waits behind some words; leave it; return its id, the gate and the last number."""
    gate = server.model.gate()
    rest = tuple(Chunk(word) for word in WORDS[words:])
    server.model.enqueue((Headers(), *(Chunk(word) for word in WORDS[:words]), gate, *rest, *finished(usage=USAGE)))
    with browser.begin() as client:
        run_id, text = run_id_of(client), ""
        while text != "".join(WORDS[:words]):
            frame = client.next_event()
            text += frame.message
        last = frame.id
    assert last is not None
    return run_id, gate, last


def test_an_answer_goes_on_without_its_client_and_is_read_from_where_the_client_was(
    running_server: RunningServer, browser: RunClient
) -> None:
    run_id, gate, last = begin_held(running_server, browser)
    gate.open()
    text, ids, end = browser.read(run_id, last)
    assert text == "".join(WORDS[3:])
    assert min(ids) > last
    assert end["done"] is True
    assert end["usage"] == USAGE
    assert browser.read(run_id)[0] == TEXT


def test_the_reply_names_its_run_and_where_that_is(running_server: RunningServer, browser: RunClient) -> None:
    running_server.model.enqueue(reply("Hi"))
    with browser.begin() as client:
        assert re.fullmatch(r"[0-9a-f]{38}", run_id_of(client))
        assert client.headers["location"] == f"/api/runs/{run_id_of(client)}"
        assert read_all(client)[0] == "Hi"


def test_without_the_field_an_answer_has_no_run_and_ends_with_its_client(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    answered = post_chat(running_server.url, message="Hi", interaction_mode="stream")
    assert "sluice-run" not in answered.headers
    assert "location" not in answered.headers
    assert "set-cookie" not in answered.headers


def test_a_finished_answer_is_read_behind_any_of_its_events(
    running_server: RunningServer, browser: RunClient
) -> None:
    gates = [running_server.model.gate() for _ in WORDS]
    steps = [step for gate, word in zip(gates, WORDS, strict=True) for step in (Chunk(word), gate)]
    running_server.model.enqueue((Headers(), *steps, *finished()))
    seen = {0: ""}
    with browser.begin() as client:
        run_id = run_id_of(client)
        for gate in gates:
            frame = client.next_event()
            assert frame.id is not None
            seen[frame.id] = seen[max(seen)] + frame.message
            gate.open()
        last = client.next_event().id
    assert len(seen) == 11
    for after, text in seen.items():
        rest, ids, end = browser.read(run_id, after)
        assert text + rest == TEXT
        assert min(ids) > after
        assert (ids[-1], end["done"]) == (last, True)
    assert browser.fetch("GET", f"/api/runs/{run_id}/events?after={last}").status == 204


def test_a_cursor_behind_the_end_has_all(running_server: RunningServer, browser: RunClient) -> None:
    running_server.model.enqueue(reply(*WORDS))
    with browser.begin() as client:
        run_id = run_id_of(client)
        read_all(client)
    assert browser.fetch("GET", f"/api/runs/{run_id}/events?after=40").status == 204


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "9" * 16, "١"])
def test_a_bad_cursor_is_refused_with_a_sentence(
    running_server: RunningServer, browser: RunClient, cursor: str
) -> None:
    running_server.model.enqueue(reply("Hi"))
    with browser.begin() as client:
        run_id = run_id_of(client)
        read_all(client)
    refused = fetch(
        running_server.url,
        f"/api/runs/{run_id}/events",
        headers={"Cookie": browser.cookie, "Last-Event-ID": cursor.encode().decode("latin-1")},
    )
    assert refused.status == 400
    assert refused.json()["error"] == "`Last-Event-ID` should be the id of an event, such as 17."


def test_the_state_is_told_while_it_runs_and_after_its_end(running_server: RunningServer, browser: RunClient) -> None:
    run_id, gate, last = begin_held(running_server, browser)
    running = browser.show(run_id)
    assert (running["id"], running["state"], running["last_event"]) == (run_id, "running", last)
    assert [run["id"] for run in browser.fetch("GET", "/api/runs?state=running").json()["runs"]] == [run_id]
    gate.open()
    browser.read(run_id)
    ended = browser.show(run_id)
    assert (ended["state"], ended["finish_reason"], ended["usage"]) == ("completed", "stop", USAGE)
    assert browser.fetch("GET", "/api/runs?state=running").json()["runs"] == []
    assert [run["state"] for run in browser.fetch("GET", "/api/runs").json()["runs"]] == ["completed"]


def test_a_state_that_is_none_is_refused(browser: RunClient) -> None:
    refused = browser.fetch("GET", "/api/runs?state=gone")
    assert refused.status == 400
    assert refused.json()["field"] == "state"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("DELETE", "")])
@pytest.mark.parametrize("who", ["another browser", "no cookie"])
def test_somebody_elses_run_is_not_found(
    running_server: RunningServer, browser: RunClient, method: str, path: str, who: str
) -> None:
    run_id, gate, _ = begin_held(running_server, browser)
    cookie = {"Cookie": RunClient(running_server.url).cookie} if who == "another browser" else {}
    refused = fetch(running_server.url, f"/api/runs/{run_id}{path}", method=method, headers=cookie)
    assert (refused.status, refused.json()["code"]) == (404, "run_unknown")
    gate.open()
    assert browser.read(run_id)[0] == TEXT


@pytest.mark.parametrize("run_id", ["0" * 38, "x", "0" * 37, "..%2f..%2fetc"])
def test_a_run_that_is_none_is_not_found(browser: RunClient, run_id: str) -> None:
    assert browser.fetch("GET", f"/api/runs/{run_id}").status == 404
    assert browser.fetch("GET", f"/api/runs/{run_id}/events").status == 404
    assert browser.stop(run_id).status == 404


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(running_server: RunningServer) -> None:
    cookie = fetch(running_server.url, "/api/config").headers["set-cookie"]
    assert re.fullmatch(
        r"sluice_reader=[0-9a-f]{32}; Expires=[^;]+; Max-Age=604800; HttpOnly; Path=/; SameSite=Lax", cookie
    )
    kept = fetch(running_server.url, "/api/config", headers={"Cookie": cookie.partition(";")[0]})
    assert "set-cookie" not in kept.headers


def test_a_client_that_has_no_cookie_gets_one_with_its_answer(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    answered = post_chat(running_server.url, message="Hi", interaction_mode="block", on_disconnect="continue")
    run_id, cookie = answered.headers["sluice-run"], answered.headers["set-cookie"].partition(";")[0]
    assert answered.json()["message"] == "Hi"
    shown = fetch(running_server.url, f"/api/runs/{run_id}", headers={"Cookie": cookie})
    assert shown.json()["state"] == "completed"


def test_stop_ends_the_answer_for_all_its_readers_and_closes_the_provider(
    running_server: RunningServer, browser: RunClient
) -> None:
    run_id, _, last = begin_held(running_server, browser)
    with browser.follow(run_id, 0) as one, browser.follow(run_id, last) as other:
        stopped = browser.stop(run_id)
        assert (stopped.status, stopped.json()["state"]) == (200, "stopped")
        for client, text in ((one, "".join(WORDS[:3])), (other, "")):
            read, _, end = read_all(client)
            assert (read, end["code"], end["reason"]) == (text, "stopped", "stopped")
    running_server.model.exchanges[-1].wait_aborted(2.0)
    again = browser.stop(run_id)
    assert (again.status, again.json()["state"]) == (200, "stopped")
    assert browser.read(run_id)[0] == "".join(WORDS[:3])


def test_a_finished_answer_that_is_stopped_stays_completed(running_server: RunningServer, browser: RunClient) -> None:
    running_server.model.enqueue(reply("Hi"))
    with browser.begin() as client:
        run_id = run_id_of(client)
        read_all(client)
    stopped = browser.stop(run_id)
    assert (stopped.status, stopped.json()["state"]) == (200, "completed")


def test_a_deleted_answer_is_stopped_and_forgotten_at_once(running_server: RunningServer, browser: RunClient) -> None:
    run_id, _, _ = begin_held(running_server, browser)
    assert browser.fetch("DELETE", f"/api/runs/{run_id}").status == 204
    running_server.model.exchanges[-1].wait_aborted(2.0)
    assert browser.fetch("GET", f"/api/runs/{run_id}").status == 404
    assert browser.fetch("GET", "/api/runs").json()["runs"] == []
    assert browser.fetch("DELETE", f"/api/runs/{run_id}").status == 404


def test_another_sites_page_can_neither_stop_nor_delete(running_server: RunningServer, browser: RunClient) -> None:
    run_id, gate, _ = begin_held(running_server, browser)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert browser.fetch("POST", f"/api/runs/{run_id}/stop", **foreign).status == 403
    assert browser.fetch("DELETE", f"/api/runs/{run_id}", **foreign).status == 403
    gate.open()
    assert browser.read(run_id)[0] == TEXT


def test_the_same_key_and_body_join_the_run_and_ask_the_model_once(
    running_server: RunningServer, browser: RunClient
) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), Chunk("once"), gate, *finished()))
    with browser.begin(key="k1") as first:
        assert first.next_event().message == "once"
        with browser.begin(key="k1") as second:
            assert run_id_of(second) == run_id_of(first)
            gate.open()
            assert read_all(second)[0] == "once"
        assert read_all(first)[0] == ""
    assert len(running_server.model.exchanges) == 1


def test_the_same_key_with_another_body_is_refused(running_server: RunningServer, browser: RunClient) -> None:
    running_server.model.enqueue(reply("Hi"))
    with browser.begin(key="k2") as client:
        read_all(client)
    with browser.begin(key="k2", message="Something else") as refused:
        assert refused.status == 422
        assert json.loads(refused.read_body())["code"] == "key_reused"


def test_a_key_is_one_browsers_alone(running_server: RunningServer, browser: RunClient) -> None:
    running_server.model.enqueue(reply("one"))
    running_server.model.enqueue(reply("two"))
    with browser.begin(key="k3") as first, RunClient(running_server.url).begin(key="k3") as second:
        assert run_id_of(first) != run_id_of(second)
        assert {read_all(first)[0], read_all(second)[0]} == {"one", "two"}


@pytest.mark.parametrize("key", ["a b", "ключ", "x" * 256])
def test_a_bad_key_is_refused_with_a_sentence(running_server: RunningServer, browser: RunClient, key: str) -> None:
    with browser.begin(key=key.encode().decode("latin-1")) as refused:
        assert refused.status == 400
        assert "Idempotency-Key should be 1 to 255 printable ASCII" in json.loads(refused.read_body())["error"]


def test_a_key_for_an_answer_that_ends_with_its_client_is_refused(
    running_server: RunningServer, browser: RunClient
) -> None:
    with browser.begin(key="k4", on_disconnect="cancel") as refused:
        assert refused.status == 400
        assert json.loads(refused.read_body())["field"] == "on_disconnect"


def test_an_answer_in_the_background_is_accepted_at_once_and_read_later(
    running_server: RunningServer, browser: RunClient
) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), gate, *said(*WORDS), *finished()))
    with browser.begin(background=True) as accepted:
        assert accepted.status == 202
        run_id = run_id_of(accepted)
        assert json.loads(accepted.read_body()) == {"id": run_id, "state": "running"}
    gate.open()
    assert browser.read(run_id)[0] == TEXT


def test_an_answer_in_block_mode_goes_on_too_and_is_read_as_events(
    running_server: RunningServer, browser: RunClient
) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), gate, *said(*WORDS), *finished()))
    body = json.dumps({"message": "Hi", "interaction_mode": "block", "on_disconnect": "continue"}).encode()
    with RawClient(running_server.url) as client:
        client.request("POST", "/api/chat", {"Content-Type": "application/json", "Cookie": browser.cookie}, body)
        gate.wait_reached()
    runs = browser.fetch("GET", "/api/runs?state=running").json()["runs"]
    gate.open()
    assert browser.read(runs[0]["id"])[0] == TEXT


def test_eight_readers_follow_one_answer_and_a_ninth_is_asked_to_wait(
    running_server: RunningServer, browser: RunClient
) -> None:
    run_id, gate, _ = begin_held(running_server, browser)
    readers = [browser.follow(run_id) for _ in range(8)]
    try:
        with browser.follow(run_id) as ninth:
            assert ninth.status == 429
            assert ninth.headers["retry-after"] == "5"
            assert json.loads(ninth.read_body())["code"] == "too_many_readers"
        gate.open()
        assert {read_all(reader)[0] for reader in readers} == {TEXT}
    finally:
        for reader in readers:
            reader.close()


def test_a_fourth_answer_in_the_background_is_refused_until_one_is_read(
    running_server: RunningServer, browser: RunClient
) -> None:
    gate = running_server.model.gate()
    runs = []
    for _ in range(3):
        running_server.model.enqueue((Headers(), gate, *said("done"), *finished()))
        with browser.begin(background=True) as accepted:
            runs.append(run_id_of(accepted))
    with browser.begin(background=True) as refused:
        assert refused.status == 429
        assert json.loads(refused.read_body())["code"] == "too_many_runs"
    gate.open()
    for run_id in runs:
        assert browser.read(run_id)[0] == "done"


@pytest.fixture
def patient_server() -> Iterator[RunningServer]:
    """A server with the usual limits: a dozen requests may take longer than the short one for the first token."""
    with start_server() as server:
        yield server


def test_of_many_answers_begun_in_the_background_at_once_no_more_than_allowed_are_accepted(
    patient_server: RunningServer,
) -> None:
    server, browser = patient_server, RunClient(patient_server.url)
    gate = server.model.gate()
    server.model.enqueue(*[(Headers(), gate, *said("done"), *finished())] * 3)

    def begin(number: int) -> tuple[int, str]:
        with browser.begin(background=True, key=f"key-{number}") as reply:
            return reply.status, reply.headers.get("sluice-run", "")

    with ThreadPoolExecutor(12) as threads:
        begun = list(threads.map(begin, range(12)))
    assert sorted(status for status, _ in begun) == [202] * 3 + [429] * 9
    # One that has begun is joined by its key, though no further one may begin. A refused key is free later.
    accepted = [number for number, (status, _) in enumerate(begun) if status == 202]
    refused = next(number for number in range(12) if number not in accepted)
    assert [begin(number) for number in accepted] == [begun[number] for number in accepted]
    gate.open()
    for number in accepted:
        assert browser.read(begun[number][1])[0] == "done"
    server.model.enqueue(reply("done"))
    status, run_id = begin(refused)
    assert (status, browser.read(run_id)[0]) == (202, "done")
