"""Where a worker is bound to, and when it is let go."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sluice.web.server.cpu_affinity import _read_busy_seconds, choose_cpu


def test_a_worker_stays_where_it_is_alone_however_busy_it_is_itself() -> None:
    assert choose_cpu(0, {0: 1.0, 1: 0.0}, own=0.9) == 0


def test_a_worker_is_let_go_where_others_are_busy() -> None:
    assert choose_cpu(0, {0: 0.9, 1: 0.0}, own=0.4) is None


def test_a_worker_that_was_let_go_is_not_bound_while_others_are_busy_anywhere() -> None:
    assert choose_cpu(None, {0: 0.1, 1: 0.9}, own=0.2) is None


def test_a_worker_that_was_let_go_is_bound_to_the_quietest_cpu_when_others_have_gone() -> None:
    assert choose_cpu(None, {0: 0.6, 1: 0.3}, own=0.8) == 1


LINUX = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is only one CPU to be on"
)


def run_to_its_end(scenario: str) -> None:
    """Run code in a process of its own: it binds all threads of its process."""
    done = subprocess.run([sys.executable, "-c", scenario], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


SCENARIO = """
import os, threading
from sluice.web.server import cpu_affinity as affinity

affinity.CHECK_INTERVAL = 0.0
allowed = os.sched_getaffinity(0)
busy = dict.fromkeys(allowed, 0.0)
worker = affinity.Affinity(1, lambda: dict(busy))
at_first = os.sched_getaffinity(0)
assert len(at_first) == 1, at_first
another = affinity.Affinity(0, lambda: dict(busy))
assert os.sched_getaffinity(0) == at_first, "it may use no more than it was given"

idle = threading.Event()
thread = threading.Thread(target=idle.wait)
thread.start()
assert os.sched_getaffinity(thread.native_id) == at_first
busy[worker.cpu] += 1e6
worker.update()
assert os.sched_getaffinity(0) == os.sched_getaffinity(thread.native_id) == allowed
worker.update()
assert len(os.sched_getaffinity(0)) == 1
assert os.sched_getaffinity(thread.native_id) == os.sched_getaffinity(0)
idle.set()
print("done")
"""


@LINUX
def test_all_threads_are_bound_let_go_and_bound_again() -> None:
    run_to_its_end(SCENARIO)


# The same for a system that stops saying so of a CPU, never says it, hides it, and forbids to choose.
LEFT_ALONE = """
import os
from sluice.web.server import cpu_affinity as affinity

affinity.CHECK_INTERVAL = 0.0
allowed = os.sched_getaffinity(0)
busy = dict.fromkeys(allowed, 0.0)
worker = affinity.Affinity(0, lambda: dict(busy))
assert len(os.sched_getaffinity(0)) == 1
del busy[max(allowed)]
for _ in range(2):
    worker.update()
    assert os.sched_getaffinity(0) == allowed

worker = affinity.Affinity(0, lambda: {cpu + 1000: 0.0 for cpu in allowed})
worker.update()
assert os.sched_getaffinity(0) == allowed

def hidden():
    raise FileNotFoundError("/proc/stat")

worker = affinity.Affinity(0, hidden)
worker.update()
assert worker.cpu is None
assert os.sched_getaffinity(0) == allowed

def forbidden(*_):
    raise PermissionError("not here")

os.sched_setaffinity = forbidden
worker = affinity.Affinity(0, lambda: dict.fromkeys(allowed, 0.0))
worker.update()
assert worker.cpu is None
print("done")
"""


@LINUX
def test_a_worker_is_left_alone_where_the_system_does_not_say_or_let_it_choose() -> None:
    run_to_its_end(LEFT_ALONE)


# A look takes two descriptors: for what the system says, and for the list of threads.
WITHOUT_DESCRIPTORS = """
import os, resource
from sluice.web.server import cpu_affinity as affinity

affinity.CHECK_INTERVAL = 0.0
allowed = os.sched_getaffinity(0)
busy = dict.fromkeys(allowed, 0.0)
for read in (affinity._read_busy_seconds, lambda: dict(busy)):
    worker = affinity.Affinity(0, read)
    bound = os.sched_getaffinity(0)
    assert len(bound) == 1
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, usual[1]))
    busy[worker.cpu] += 1e6
    worker.update()
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert os.sched_getaffinity(0) == bound
    os.sched_setaffinity(0, allowed)
busy[worker.cpu] += 1e6
worker.update()
assert worker.cpu is None
print("done")
"""


@LINUX
def test_a_worker_without_descriptors_stays_where_it_is_and_looks_again() -> None:
    run_to_its_end(WITHOUT_DESCRIPTORS)


@LINUX
def test_workers_that_start_together_begin_on_different_cpus() -> None:
    code = "import os, sys, sluice.web.server.cpu_affinity as a; print(a.Affinity(int(sys.argv[1])).cpu)"
    begun = [
        subprocess.run([sys.executable, "-c", code, number], capture_output=True, text=True, check=True).stdout
        for number in "12"
    ]
    assert begun[0] != begun[1]


@LINUX
def test_the_system_says_how_busy_each_cpu_has_been() -> None:
    found = _read_busy_seconds()
    assert os.sched_getaffinity(0) <= set(found)
    assert all(seconds > 0 for seconds in found.values())
