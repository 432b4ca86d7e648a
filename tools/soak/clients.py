"""Clients in threads, each visiting again and again, and what is wrong with what they saw."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from tools.common.raw_client import RawClient, WireViolation, chat_request
from tools.soak.plans import CODES, Plan, plan_of

# Longer than any plan takes, with every time limit of the server run into; a client that waits longer hangs.
CLIENT_TIMEOUT = 20.0
# Enough to see what is wrong; the rest is only counted.
COMPLAINTS_KEPT = 50


class Crowd:
    """Clients that visit a server until they are told to stop. Its attributes may be read by any thread."""

    def __init__(self, url: str, seed: int, size: int) -> None:
        """Prepare the clients.

        Args:
            url: The server.
            seed: Says what they do.
            size: How many there are at one time.
        """
        self.outcomes: Counter[str] = Counter()
        self.complaints: deque[str] = deque(maxlen=COMPLAINTS_KEPT)
        self.complained = 0
        self._url = url
        self._seed = seed
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._excused: deque[float] = deque(maxlen=100)
        self._threads = [threading.Thread(target=self._visit_on, name=f"client-{number}") for number in range(size)]

    @property
    def visits(self) -> int:
        """How many visits have ended."""
        return sum(self.outcomes.values())

    def start(self) -> None:
        """Let them come."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each end its visit, and wait for all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join(CLIENT_TIMEOUT + 5)
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            self.complain(f"clients that never ended: {stuck}")

    def excuse(self) -> None:
        """Take note that a worker is being killed: clients that are connected now may be cut off."""
        self._excused.append(time.monotonic())

    def complain(self, text: str) -> None:
        """Keep what is wrong."""
        with self._lock:
            self.complaints.append(text)
            self.complained += 1

    def _visit_on(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                index, self._next = self._next, self._next + 1
            plan = plan_of(self._seed, index)
            began = time.monotonic()
            try:
                outcome = self._visit(plan)
            except (OSError, WireViolation, AssertionError) as error:
                # An excuse counts for those who were here, and who came between it and the kill.
                if any(began - 1.0 <= moment for moment in self._excused):
                    outcome = "cut off with a killed worker"
                else:
                    outcome = "wrong"
                    self.complain(f"client {index} ({plan.manner}, model: {plan.fault}): {error!r}")
            with self._lock:
                self.outcomes[outcome] += 1

    def _visit(self, plan: Plan) -> str:
        # A small buffer from the start: the window that the handshake offers is never taken back.
        buffer = None if plan.manner == "stays" else 4096
        with RawClient(self._url, timeout=CLIENT_TIMEOUT, receive_buffer=buffer) as client:
            client.send(chat_request("localhost", {"message": plan.message, "interaction_mode": "stream"}))
            manners: dict[str, Callable[[RawClient, Plan], str]] = {
                "disconnects": self._disconnect,
                "reads nothing": self._read_nothing,
            }
            return manners.get(plan.manner, self._stay)(client, plan)

    def _disconnect(self, client: RawClient, plan: Plan) -> str:
        if plan.disconnects_after >= 0 and client.status == 200:
            for count, frame in enumerate(client.frames()):
                if count >= plan.disconnects_after or frame.is_terminal:
                    break
        self._stop.wait(plan.hesitates)
        if plan.resets:
            client.reset()
        else:
            client.close()
        return "left"

    def _read_nothing(self, client: RawClient, plan: Plan) -> str:
        # Long enough for the server's time limit for writes to end it, unless the whole run ends before.
        self._stop.wait(4.0)
        client.reset()
        return "left"

    def _stay(self, client: RawClient, plan: Plan) -> str:
        allowed = CODES[plan.fault]
        if client.status != 200:
            code = json.loads(client.read_body())["code"]
            assert code in allowed, f"{client.status} {code} in place of {sorted(allowed) or 'an answer'}"
            return f"status: {code}"
        texts: list[str] = []
        end = None
        for frame in client.frames():
            texts.append(frame.message)
            if frame.is_terminal:
                end = frame
            if plan.manner == "reads slowly":
                self._stop.wait(plan.hesitates)
        assert end is not None
        text = "".join(texts)
        if end.is_done:
            assert not allowed, f"done in place of {sorted(allowed)}"
            assert text == plan.text, f"{text!r} is not {plan.text!r}"
            return "done"
        code = str(end.payload["code"])
        assert code in allowed, f"{code} in place of {sorted(allowed) or 'an answer'}, after {text!r}"
        assert "".join(plan.tokens[: plan.breaks_after]).startswith(text), (
            f"{text!r} is no beginning of {plan.text!r}"
        )
        return f"frame: {code}"
