"""The stored runs of one process, for its handlers: begun, read, stopped and listed by calls that wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

from ..concurrency.event_loop_thread import LoopThread, LoopUnavailable
from ..errors import InternalError, KeyReused, Overloaded, RunExpired, RunUnknown, StoreAway
from ..observability.metric_guard import MetricGuard
from ..observability.metric_values import MetricValues
from ..observability.store_metrics import StoreMetrics
from ..runs.run import Run
from ..runs.stores.base import NewRun, RunRecord, RunState, StoreUnavailable
from ..settings.records.storage import StorageSettings
from .consents import ALLOWED, DENIED, StoredConsents
from .environment import Environment
from .log_waiter import CATCH_UP_TIMEOUT
from .registry import RunRegistry, RunStatus
from .run_closer import RunCloser
from .subscription import StoredSubscription

T = TypeVar("T")

# Seconds that a request waits for the store, in all.
CALL_TIMEOUT = 5.0
# Seconds that a request waits before its thread counts as held. A store of this machine answers in milliseconds.
SHORT_WAIT = 0.05


class StoredRuns:
    """The stored runs of one process. Any thread but the loop's may call the public methods, unless they say else.

    The store is opened by the first call that needs it. Whatever asks the store raises `Overloaded` where it would
    have to wait, and the server has no thread left for that.
    """

    def __init__(
        self,
        settings: StorageSettings,
        loop: LoopThread,
        heartbeat: float,
        environment: Environment | None = None,
        metrics: StoreMetrics | None = None,
    ) -> None:
        """Take the settings. Nothing is opened, so that a server may fork afterwards.

        Args:
            settings: Where runs are kept, and the limits.
            loop: The loop thread of all runs.
            heartbeat: Seconds without an event after which a reader is told so.
            environment: The clock, the stores and the threads; None for the real ones.
            metrics: Counts runs, and the calls to the store; None where nobody asks for them.
        """
        self.settings = settings
        environment = environment or Environment()
        metrics = metrics or StoreMetrics(MetricValues(None), MetricGuard())
        self._loop = loop
        self._closer = RunCloser(environment.make_executor, metrics)
        #: What the loop has of them; for its thread.
        self.registry = RunRegistry(settings, loop, heartbeat, environment, metrics, self._closer)
        #: Holds the caller's thread where a call waits; raises `Overloaded` where as many are held as may be.
        self.hold_thread: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def is_off(self) -> bool:
        """Whether runs end with their connection."""
        return self.settings.is_off

    def begin(
        self,
        owner: str,
        open_run: Callable[[], Run],
        *,
        key: str = "",
        body_digest: str = "",
        attended: bool = True,
        replaces: bool = False,
        consents: StoredConsents | None = None,
    ) -> StoredSubscription:
        """Keep a new run, and take its first place; or the place of a reader of the run that has this key.

        Args:
            owner: Whose it is.
            open_run: Makes the run, whose log has to keep all. Called after the store has its record.
            key: The client's key, under which a second request joins the same run; empty for none.
            body_digest: What is asked under the key.
            attended: Whether the place is read. If not, the run counts as one without a reader from the beginning.
            replaces: Whether the new run takes the key from the one that has it, which is forgotten; unless that one
                still runs and is of the same digest.
            consents: Gets the run's id, and the decisions about it.

        Raises:
            KeyReused: The key was used for something else.
            StoreAway: The store does not answer.
            StoreFull: The store has no room for a further run.
            TooManyRuns: The owner has as many unread runs as it may. Where the place is not read.
            RunExpired, RunUnknown, TooManyReaders: As `subscribe`, where the key's run is joined.
            Exception: As `open_run`.
        """
        new = NewRun(self.registry.make_id(), owner, self.settings.instance_name, key, body_digest)
        try:
            created = self._call(self.registry.create(new, attended=attended))
        except (StoreAway, Overloaded):
            # The record may be there all the same. Whoever tries again with the key should not join a run of nobody.
            self._call_soon(self.registry.discard, new.run_id)
            raise
        # A connection that repeats what it had no answer to finds its own record.
        if not created.is_new and created.run_id != new.run_id:
            if replaces and not self._runs_still(created.run_id, owner, same=created.body_digest == body_digest):
                with suppress(RunUnknown):
                    self.delete(created.run_id, owner)
                return self.begin(
                    owner, open_run, key=key, body_digest=body_digest, attended=attended, consents=consents
                )
            if created.body_digest != body_digest:
                raise KeyReused
            return self.subscribe(created.run_id, owner)
        if consents is not None:
            self.registry.add_consents(new.run_id, consents)
        run: Run | None = None
        try:
            run = open_run()
            run.stored_id = new.run_id
            return self._call(self.registry.adopt(new, run, attended=attended))
        except BaseException:
            if run is not None:
                run.close()
            self._call_soon(self.registry.discard, new.run_id)
            raise

    def _runs_still(self, run_id: str, owner: str, *, same: bool) -> bool:
        if not same:
            return False
        try:
            return self.find(run_id, owner).record.state is RunState.RUNNING
        except (RunUnknown, RunExpired):
            return False

    def find_key(self, owner: str, key: str) -> str | None:
        """Return the id of the known run that an owner has begun with a key; None where there is none.

        Raises:
            StoreAway: The store does not answer.
        """
        return self._call(self.registry.store.call(lambda store: store.find_key(owner, key)))

    def subscribe(self, run_id: str, owner: str, after: int = 0) -> StoredSubscription:
        """Take the place of a further reader. May wait for what the reader has seen already.

        Args:
            run_id: The run.
            owner: Who asks.
            after: The number of the last event that the reader has.

        Raises:
            CursorAtEnd: The reader has all, the terminal event as well.
            RunExpired: The run is known, and its events are gone.
            RunUnknown: There is no such run, or it is somebody else's.
            StoreAway: The store does not answer.
            TooManyReaders: As many read it as may.
        """
        return self._call(self.registry.subscribe(run_id, owner, after), CALL_TIMEOUT + CATCH_UP_TIMEOUT)

    def find(self, run_id: str, owner: str) -> RunStatus:
        """Return what is known of a run.

        Raises:
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        return self._call(self.registry.find(run_id, owner))

    def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """Return the runs of an owner, or of all, the newest first.

        Raises:
            StoreAway: The store does not answer.
        """
        return self._call(self.registry.list_runs(owner, state))

    def stop(self, run_id: str, owner: str | None) -> RunRecord:
        """Stop a run, and wait 2 seconds at most for its end. A run that has ended keeps its state.

        Args:
            run_id: The run.
            owner: Who asks; None for an operator, who may stop any.

        Raises:
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        return self._call(self.registry.stop(run_id, owner))

    def make_consents(self) -> StoredConsents:
        """Return what waits for decisions about a run that `begin` is given."""
        return StoredConsents(self.registry.store.call)

    def decide(self, run_id: str, owner: str, call_id: str, *, allow: bool) -> None:
        """Take a person's decision about a call that waits for it, on whichever worker.

        Args:
            run_id: The run.
            owner: Who decides.
            call_id: The call.
            allow: Whether it may run.

        Raises:
            CallDecided: It was decided before, or nobody has decided in time.
            CallUnknown: No such call waits for a decision.
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        self._call(self.registry.decide(run_id, owner, call_id, ALLOWED if allow else DENIED))

    def delete(self, run_id: str, owner: str | None) -> None:
        """Stop a run, and forget it.

        Raises:
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        with suppress(RunExpired):
            self._call(self.registry.stop(run_id, owner))
        self._call(self.registry.delete(run_id))

    def is_reachable(self) -> bool:
        """Return whether the store answers. Waits 5 seconds at most. Where runs are kept."""
        try:
            self._call(self.registry.check_store())
        except StoreAway:
            return False
        return True

    def release_readers(self) -> None:
        """End the connections of readers whose runs are other processes': they go on elsewhere. Does not wait."""
        self._call_soon(self.registry.release_replicas)

    def wait_closed(self, timeout: float) -> None:
        """Wait for the threads that end runs, at most so many seconds. After `aclose`."""
        self._closer.wait(timeout)

    async def aclose(self) -> None:
        """Write the last events of all runs, for 2 seconds at most, and close the store; on the loop's thread.

        Runs should have ended.
        """
        await self.registry.aclose()

    def _call(self, coroutine: Coroutine[Any, Any, T], timeout: float = CALL_TIMEOUT) -> T:
        try:
            return self._wait(self._loop.submit(coroutine), timeout)
        except StoreUnavailable as error:
            raise StoreAway(str(error)) from error
        except TimeoutError as error:
            raise StoreAway(f"the store did not answer within {timeout:g} s") from error
        except LoopUnavailable as error:
            raise InternalError(str(error)) from error

    def _wait(self, future: Future[T], timeout: float) -> T:
        """Wait for a result. Slow stores, and readers that are ahead of theirs, leave threads for other requests."""
        with suppress(TimeoutError):
            return future.result(SHORT_WAIT)
        try:
            with self.hold_thread():
                return future.result(timeout - SHORT_WAIT)
        except (Overloaded, TimeoutError):
            future.add_done_callback(_give_back)
            raise

    def _call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(LoopUnavailable):
            self._loop.call_soon(function, *arguments)


def _give_back(late: Future[Any]) -> None:
    """Give up a place at a run that came when nobody waited for it any more."""
    if not late.cancelled() and late.exception() is None and isinstance(late.result(), StoredSubscription):
        late.result().close()
