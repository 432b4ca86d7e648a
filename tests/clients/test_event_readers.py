"""Readers of server-sent events: what they show of `/v1` and of Sluice's own `/api/chat`."""

from __future__ import annotations

from tests.clients.client_process import ClientProcess
from tests.clients.clients import OWN_WORK, of_clients
from tests.clients.conftest import HEARTBEAT
from tests.support.running_server import RunningServer
from tools.common.model_steps import Headers, Pause
from tools.common.scripted_model import finished, reply, resetting_after, said

of_readers = of_clients(lambda client: OWN_WORK in client.lacks.values())


@of_readers
def test_frames_of_the_chat_api_arrive_with_growing_ids(process: ClientProcess, server: RunningServer) -> None:
    gate = server.model.gate("after the first piece")
    server.model.enqueue((*said("Hel"), gate, *said("lo ", "wörld"), *finished()))
    process.begin("own_api", prompt="Hi")
    assert process.next_piece() == "Hel"
    gate.open()
    seen = process.finish()
    assert (seen.error, seen.text, seen.finish) == (None, "Hello wörld", "stop")
    numbers = [int(each) for each in seen.value]
    assert numbers == sorted(set(numbers))


@of_readers
def test_a_chat_that_breaks_off_ends_with_a_frame_that_says_so(process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(resetting_after("Hel"))
    seen = process.ask("own_api", prompt="Hi")
    assert seen.error is not None
    assert (seen.text, seen.finish) == ("Hel", None)


@of_clients(lambda client: client.name == "eventsource-parser")
def test_heartbeats_are_comments_and_no_events(process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue((Headers(), *said("Hel"), Pause(HEARTBEAT * 2.5), *said("lo"), *finished()))
    seen = process.ask("stream", prompt="Hi")
    assert (seen.error, seen.text) == (None, "Hello")
    assert seen.value["comments"] >= 2


@of_readers
def test_an_answer_without_tokens_is_an_answer(process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(reply())
    seen = process.ask("stream", prompt="Hi")
    assert (seen.error, seen.text, seen.finish) == (None, "", "stop")
