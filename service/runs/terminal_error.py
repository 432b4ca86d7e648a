"""Makes the error for a run's terminal event of whatever the run failed with."""

from __future__ import annotations

from copy import copy

from ..concurrency.event_loop_thread import LoopState, LoopUnavailable
from ..errors import InternalError, Overloaded, ServiceError, ShuttingDown
from ..observability.resources import exhausted_by


def copy_without_traceback(error: ServiceError) -> ServiceError:
    """Return a copy of an error, without traceback and causes; take them from the error as well.

    A traceback holds frames, these the run, and that the error: 200 objects that only the cycle collector frees.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return copy(error)


def to_service_error(error: BaseException) -> ServiceError:
    """Return the error for the terminal event."""
    if isinstance(error, ServiceError):
        return copy_without_traceback(error)
    if isinstance(error, LoopUnavailable) and error.state is LoopState.CLOSED:
        return ShuttingDown(str(error))
    if isinstance(error, LoopUnavailable):
        return InternalError(str(error))
    if (lacking := exhausted_by(error)) is not None:
        return Overloaded(f"{lacking}: {type(error).__name__}: {error}")
    return InternalError(f"{type(error).__name__}: {error}")
