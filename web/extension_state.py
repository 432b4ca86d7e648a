"""What an application keeps for its whole life: the service, and the watch over its clients."""

from __future__ import annotations

import atexit
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self
from weakref import WeakMethod, WeakSet, ref

from flask import Flask

from ..service import ChatService, LoopState
from ..service.errors import Overloaded
from ..service.observability.resources import NO_THREADS
from ..service.runs.subscription import Subscription
from .hidden_rules import describe_hidden_rules
from .hooks import Hooks
from .security.sign_in import MISSING_KEY
from .sockets.client_socket import Connection, DisconnectWatcher
from .sockets.write_limits import limit_writes

logger = logging.getLogger("sluice.web")

_NAME = "sluice"
# Seconds that a thread waits for a provider before it counts as held: a burst of chats need not start more threads.
SHORT_WAIT = 0.05
# Seconds for the last frames of ended runs, and between looks at whether all were sent.
_LAST_FRAMES = 2.0
_POLL_INTERVAL = 0.02


class ThreadBudget(Protocol):
    """The threads of a server. Any thread may call the methods, and none of them waits."""

    def has_spare(self, *, holds: bool) -> bool:
        """Return whether a thread is left for other requests.

        Args:
            holds: Whether the caller's thread will be held. If not, it is busy for a short time.
        """
        return True

    def hold(self) -> bool:
        """Take note that the caller's thread is busy for long, unless too many are; return whether it may be."""
        return True

    def release(self) -> None:
        """Take note that a thread is free that was held."""
        return None


class Accepting(Protocol):
    """What begins an answer."""

    def wait_accepted(self, timeout: float) -> bool:
        """Wait until the model begins to answer, as `Run.wait_accepted`."""


class UnknownThreads(ThreadBudget):
    """The threads of a server that tells nothing of them."""


# All that this process has made. A server that is given a middleware cannot see the applications in it.
_made: WeakSet[ExtensionState] = WeakSet()


class HeldRun:
    """A run that `close` ends; as a context manager, unless a reply has taken it over. For the request's thread.

    Not an `ExitStack`, which takes sixteen calls and a kilobyte for each request.
    """

    __slots__ = ("_is_taken_over", "_run", "_unwatch")

    def __init__(self, run: Subscription, unwatch: Callable[[], None] | None) -> None:
        """Take a run, and the function that ends the watch over its client, if there is one."""
        self._run = run
        self._unwatch = unwatch
        self._is_taken_over = False

    def take_over(self) -> None:
        """Leave the end of the run to a reply that calls `close`, and not to the end of the context."""
        self._is_taken_over = True

    def close(self) -> None:
        """End the watch and the run. Closing twice is harmless."""
        unwatch, self._unwatch = self._unwatch, None
        try:
            if unwatch is not None:
                unwatch()
        finally:
            self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_taken_over:
            self.close()


# Compared by identity, because the weak set needs hashes.
@dataclass(eq=False)
class ExtensionState:
    """One per application, under `app.extensions["sluice"]`."""

    service: ChatService
    #: The application's functions.
    hooks: Hooks = field(default_factory=Hooks)
    #: Whether the application is somebody else's.
    is_guest: bool = False
    disconnects: DisconnectWatcher = field(init=False)
    #: The threads for requests. Set by a server that can tell.
    thread_budget: ThreadBudget = field(init=False, default_factory=UnknownThreads)
    #: Seconds to which the server itself limits each write of a reply; None where it does not.
    write_limit: float | None = field(init=False, default=None)
    #: The kind of worker that serves, and its threads. Set by a server that tells.
    worker: str = field(init=False, default="")
    threads: int | None = field(init=False, default=None)
    #: What the operator should know, for the log of each process that serves.
    warnings: list[str] = field(init=False, default_factory=list)
    _app: ref[Flask] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Prepare the watch, which attaches to the loop with the first client."""
        self.disconnects = DisconnectWatcher(self.service.loop)
        # Weak: what ends the threads of a dropped service holds its stored runs.
        hold_thread = WeakMethod(self.hold_thread)
        self.service.stored.hold_thread = lambda: nullcontext() if (hold := hold_thread()) is None else hold()
        _made.add(self)

    def log_warnings(self) -> None:
        """Log the warnings, and forget them. Any thread may call it, in a process that serves.

        Not when the application is made: the log may start a thread, and making an application starts none.
        """
        warnings, self.warnings = self.warnings, []
        if self.is_guest and self.hooks.authorize is None and not self.service.settings.provider.is_demo:
            warnings.append(
                "no authorize function is set: everybody who reaches the application can chat, at the cost of the "
                "provider's key"
            )
        app = None if self._app is None else self._app()
        if self.is_guest and app is not None:
            if self.hooks.authorize is not None and not app.secret_key:
                warnings.append(f"{MISSING_KEY}; until then each chat of a user is refused with 500")
            warnings += describe_hidden_rules(app.url_map)
        for warning in warnings:
            logger.warning("%s", warning)

    def require_thread(self, *, holds: bool = False) -> None:
        """Refuse a chat that would need the last thread of the server.

        Args:
            holds: Whether it will hold a thread (`hold_thread`).

        Raises:
            Overloaded: No thread would be left for other requests.
        """
        if not self.thread_budget.has_spare(holds=holds):
            raise Overloaded(NO_THREADS)

    @contextmanager
    def hold_thread(self) -> Iterator[None]:
        """Hold the caller's thread for a whole answer.

        Raises:
            Overloaded: As many threads are held as may be.
        """
        if not self.thread_budget.hold():
            raise Overloaded(NO_THREADS)
        try:
            yield
        finally:
            self.thread_budget.release()

    def wait_accepted(self, run: Accepting) -> None:
        """Wait until the model begins to answer: until then, a refusal of it can still be an HTTP status.

        Not where as many threads are held as may be; a refusal is then a frame of the stream.

        Raises:
            ServiceError: As `Run.wait_accepted`.
        """
        if run.wait_accepted(SHORT_WAIT) or not self.thread_budget.hold():
            return
        try:
            # Later the first heartbeat is due.
            limits = self.service.settings.limits
            run.wait_accepted(max(0.0, min(limits.connect_timeout, limits.heartbeat_interval) - SHORT_WAIT))
        finally:
            self.thread_budget.release()

    def hold(self, run: Subscription, client: Connection | None) -> HeldRun:
        """Take a run that also ends when its client disconnects.

        Args:
            run: The run; it is closed at once if its client cannot be watched.
            client: The client's connection, where the server passes it.
        """
        if client is None:
            return HeldRun(run, None)
        seconds = self.service.settings.limits.write_timeout
        try:
            if seconds != self.write_limit and isinstance(client, socket.socket):
                limit_writes(client, seconds)
            return HeldRun(run, self.disconnects.watch(client, run.disconnect))
        except BaseException:
            run.close()
            raise

    def close(self) -> bool:
        """End all runs, the watch and the service; return whether they ended in time."""
        self.disconnects.close()
        return self.service.close()

    def end(self, drain: float) -> bool:
        """Let open runs end, end the others with a terminal event, and close. Waits; any thread but the loop's.

        Args:
            drain: Seconds that open runs have.

        Returns:
            Whether all ended in time.
        """
        self.service.begin_drain(drain)
        deadline = time.monotonic() + drain + _LAST_FRAMES
        # Their threads send the last frames.
        while self.service.limiter.in_use and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
        return self.close()

    def attach(self, app: Flask) -> None:
        """Put this into the extensions of an application."""
        self._app = ref(app)
        app.extensions[_NAME] = self

    @staticmethod
    def is_in(app: Flask) -> bool:
        """Return whether an application has one."""
        return _NAME in app.extensions

    @staticmethod
    def of(app: Flask) -> ExtensionState:
        """Return the one of an application.

        Raises:
            KeyError: It has none.
        """
        found = app.extensions[_NAME]
        assert isinstance(found, ExtensionState)
        return found

    @staticmethod
    def found_in(application: Any) -> list[ExtensionState]:
        """Return those that a WSGI application uses.

        Args:
            application: Any WSGI application.

        Returns:
            The one of a Flask application, if it has one. For any other application, such as a middleware, all that
            exist in this process.
        """
        if isinstance(application, Flask):
            found = application.extensions.get(_NAME)
            return [found] if isinstance(found, ExtensionState) else []
        return list(_made)


def _end_at_exit() -> None:
    """End what still runs when Python ends: a server without Sluice's hooks ends open streams without a frame."""
    for state in list(_made):
        if state.service.health().state is LoopState.RUNNING:
            state.end(0.0)


atexit.register(_end_at_exit)
