"""Finds a stream below the wrappers of middlewares that pass each chunk on unchanged: Sentry's, OpenTelemetry's.

The only file that knows how these libraries and Werkzeug wrap a body. The chunks are never looked at: a middleware
that removes secrets may be anywhere between two known ones. A wrapper counts as known if it is of exactly a listed
type, and if a trial of the installed version has passed (docs/decisions/0065-look-below-known-wrappers.md).
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import GeneratorType, ModuleType
from typing import Any

from .stream_body import StreamBody

logger = logging.getLogger("sluice.web")

# More wrappers than any application has. A bound, because a wrapper may be made to contain itself.
_MAX_WRAPPERS = 20


@dataclass(frozen=True)
class _Wrapper:
    """One way in which a library wraps a body."""

    #: The module that has it. It is never imported here: where it is not loaded, nothing has used it.
    module: str
    #: The package, for the log.
    package: str
    #: Return the wrapped body; None for anything that is no such wrapper. Its arguments: the module, the wrapper.
    unwrap: Callable[[ModuleType, object], object | None]
    #: Wrap a body as the library does. Its arguments: the module, the body.
    wrap: Callable[[ModuleType, Iterable[bytes]], Iterable[bytes]]


def _local_of(generator: object, function: Any, name: str) -> Any:
    """Return an argument of a generator of this function that has not begun; None for anything else."""
    if type(generator) is not GeneratorType or generator.gi_code is not function.__code__:
        return None
    if inspect.getgeneratorstate(generator) != inspect.GEN_CREATED:
        return None
    return inspect.getgeneratorlocals(generator)[name]


def _unwrap_werkzeug(module: ModuleType, body: object) -> object | None:
    if type(body) is not module.ClosingIterator:
        return None
    call = body._next  # type: ignore[attr-defined]
    # `partial(next, iterator)`
    return call.args[0] if type(call) is partial and call.func is next and len(call.args) == 1 else None


def _unwrap_sentry(module: ModuleType, body: object) -> object | None:
    scoped = module._ScopedResponse
    # Or its iterator, which is in Werkzeug's ClosingIterator.
    owner: Any = body if type(body) is scoped else _local_of(body, scoped.__iter__, "self")
    return None if owner is None else owner._response


def _unwrap_opentelemetry(module: ModuleType, body: object) -> object | None:
    return _local_of(body, module._end_span_after_iterating, "iterable")  # type: ignore[no-any-return]


def _wrap_opentelemetry(module: ModuleType, body: Iterable[bytes]) -> Iterable[bytes]:
    return module._end_span_after_iterating(body, module.trace.INVALID_SPAN, None)  # type: ignore[no-any-return]


_WRAPPERS = (
    _Wrapper("werkzeug.wsgi", "werkzeug", _unwrap_werkzeug, lambda module, body: module.ClosingIterator(body)),
    _Wrapper(
        "sentry_sdk.integrations.wsgi",
        "sentry-sdk",
        _unwrap_sentry,
        lambda module, body: module._ScopedResponse(module.sentry_sdk.Scope(), body),
    ),
    _Wrapper(
        "opentelemetry.instrumentation.wsgi",
        "opentelemetry-instrumentation-wsgi",
        _unwrap_opentelemetry,
        _wrap_opentelemetry,
    ),
)


class _Trial:
    """A body of two chunks, which counts what is taken of it."""

    def __init__(self) -> None:
        self.chunks = (bytes(bytearray(b"one")), bytes(bytearray(b"two")))
        self.taken = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.taken == len(self.chunks):
            raise StopIteration
        self.taken += 1
        return self.chunks[self.taken - 1]

    def close(self) -> None:
        self.is_closed = True


def _passes_trial(wrapper: _Wrapper, module: ModuleType) -> bool:
    """Return whether the installed version can be unwrapped, and passes on `close` and each chunk when it comes."""
    trial = _Trial()
    try:
        body: Any = wrapper.wrap(module, trial)
        if wrapper.unwrap(module, body) is not trial:
            return False
        iterator = iter(body)
        for number, chunk in enumerate(trial.chunks, start=1):
            if next(iterator) is not chunk or trial.taken != number:
                return False
        if next(iterator, None) is not None:
            return False
        body.close()
        return trial.is_closed
    # Whatever another version's internals raise: it is not known.
    except Exception:
        logger.debug("the trial of %s failed", wrapper.package, exc_info=True)
        return False


class TransparentBodies:
    """The wrappers that are known and have passed their trial. For any thread."""

    def __init__(self, wrappers: Iterable[_Wrapper] = _WRAPPERS) -> None:
        """Take the known wrappers."""
        self._wrappers = tuple(wrappers)
        self._lock = threading.Lock()
        self._has_passed: dict[str, bool] = {}

    def innermost(self, body: object) -> object:
        """Return what is below all known wrappers: a `StreamBody`, or the first body of another kind.

        Args:
            body: A WSGI body that has not been iterated.
        """
        for _ in range(_MAX_WRAPPERS):
            if isinstance(body, StreamBody):
                break
            inner = self._unwrap(body)
            if inner is None:
                break
            body = inner
        return body

    def _unwrap(self, body: object) -> object | None:
        for wrapper in self._wrappers:
            module = sys.modules.get(wrapper.module)
            if module is not None and self._is_known(wrapper, module):
                inner = wrapper.unwrap(module, body)
                if inner is not None:
                    return inner
        return None

    def _is_known(self, wrapper: _Wrapper, module: ModuleType) -> bool:
        known = self._has_passed.get(wrapper.module)
        if known is None:
            with self._lock:
                if wrapper.module in self._has_passed:
                    return self._has_passed[wrapper.module]
                known = self._has_passed[wrapper.module] = _passes_trial(wrapper, module)
            if not known:
                logger.warning(
                    "%s %s wraps replies in a way that Sluice does not know: its streams are whole, but each token "
                    "wakes a thread; install a version that Sluice is tested with (docs/how-to/monitoring.md)",
                    wrapper.package,
                    _installed(wrapper.package),
                )
        return known


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of an unknown version"


bodies = TransparentBodies()
