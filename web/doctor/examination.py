"""All checks of a deployment in their order, by streams that are paced by the server and ask no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from .deployment import Deployment
from .findings import Finding, Verdict, note
from .server_facts import check_server, check_store, check_threads, read_facts
from .stream_checks import CROWD, PAUSE, TICKS, check_compression, check_crowd, check_stream, check_tls
from .waiting_checks import check_disconnect, check_silence, longest_wait

# Seconds between two lines of progress.
_PROGRESS_INTERVAL = 5.0


def examine(deployment: Deployment, progress: Callable[[str], None]) -> Iterator[Finding]:
    """Check everything, and yield each finding as soon as it is there. Takes one to three heartbeats.

    Args:
        deployment: The deployment.
        progress: Takes a line that says what is being done.

    Raises:
        Unreachable: Nothing can be checked.
    """
    progress("asking which server this is")
    facts = read_facts(deployment)
    yield check_server(facts)
    yield check_threads(facts)
    yield check_store(facts)
    progress(f"reading {TICKS} events that are {PAUSE:g} s apart")
    is_streaming = True
    for finding in check_stream(deployment):
        is_streaming = is_streaming and (finding.subject, finding.verdict) != ("streaming", Verdict.CHANGE)
        yield finding
    yield from check_tls(deployment)
    if not is_streaming:
        yield note("compression, streams at once, silence and disconnect", "not checked until events come one by one")
        return
    yield check_compression(deployment)
    progress(f"opening {CROWD} streams at once")
    yield check_crowd(deployment)
    heartbeat = facts["heartbeat"]
    progress(f"waiting for a heartbeat, and for a disconnect to be noticed: up to {longest_wait(heartbeat):.0f} s")
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        waiting = (
            pool.submit(check_silence, deployment, heartbeat),
            pool.submit(check_disconnect, deployment, heartbeat, has_client_socket=facts["has_client_socket"]),
        )
        for each in waiting:
            while True:
                try:
                    yield each.result(_PROGRESS_INTERVAL)
                    break
                except TimeoutError:
                    progress(f"  {time.monotonic() - began:.0f} s")
