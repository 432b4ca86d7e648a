"""What stores in Python decide in the same way: whether a batch is taken, and how many records are kept."""

from __future__ import annotations

from .base import Append, Refusal, RunState

# Runs whose events a store keeps at once. Beyond, it takes no further runs: small ones must not make it grow either.
MAX_RUNS = 50_000
# Records without events that are kept at once. Beyond, the oldest are forgotten before their time.
MAX_EXPIRED = 50_000
# Runs that `list_runs` returns at most.
LISTED = 1000


def check_lease(epoch: int, *, state: RunState, run_epoch: int) -> Refusal | None:
    """Return why a producer does not hold a run's lease; None where it does."""
    return Refusal.ENDED if epoch != run_epoch or state is not RunState.RUNNING else None


def check_append(append: Append, *, state: RunState, run_epoch: int, last_number: int) -> Refusal | None:
    """Return why a batch is not taken; None where it is.

    A producer that repeats its own end, because it knows of no outcome, gets `DUPLICATE`: all of it is there.

    Args:
        append: The batch and the epoch of its producer.
        state: The run's state.
        run_epoch: The run's epoch.
        last_number: The number of the run's last event.
    """
    if append.epoch != run_epoch:
        return Refusal.ENDED
    if append.batch.first <= last_number:
        return Refusal.DUPLICATE
    if state is not RunState.RUNNING:
        return Refusal.ENDED
    return Refusal.GAP if append.batch.first > last_number + 1 else None
