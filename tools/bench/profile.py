"""Where Sluice's CPU time goes: `python -m tools.bench.profile --scenario paced`.

Three views of one worker under the bench's load: the operating system's account by thread; py-spy's samples of
the functions that hold the GIL; and, where `perf` may be used, the kernel's and the C libraries' share.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from tools.bench.runner import begin_load, finish_load
from tools.bench.servers import KINDS, Server
from tools.common.accounting import thread_seconds
from tools.common.processes import ModelServer

LOADS = {
    "paced": {"streams": 40, "tokens": 350, "rate": 50.0},
    "flood": {"streams": 50, "tokens": 8000, "rate": 0.0, "gate": True},
    "fixed": {"streams": 8, "tokens": 1, "rate": 0.0, "repeat": 7.0},
}
# Seconds that are sampled of each load.
_SECONDS = {"paced": 5, "flood": 2, "fixed": 5}
_SAMPLES_PER_SECOND = 500
_LINE = re.compile(r":\d+\)$")
_NUMBERS = re.compile(r"\d+")


def main() -> int:
    """Profile and print."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.profile", description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", choices=[*LOADS, "all"], default="paced")
    parser.add_argument("--server", choices=[name for name in KINDS if name != "nginx"], default="sluice")
    parser.add_argument("--top", type=int, default=20, help="functions to show of each thread")
    options = parser.parse_args()
    py_spy = Path(sys.executable).parent / "py-spy"
    if not py_spy.exists():
        print("py-spy is missing: make .venv/.bench", file=sys.stderr)
        return 1
    scenarios = list(LOADS) if options.scenario == "all" else [options.scenario]
    with ModelServer() as model, Server(KINDS[options.server], model.port) as server:
        finish_load(
            begin_load(
                model, server, streams=50, tokens=20, rate=0.0, path=server.kind.path, fields=dict(server.kind.fields)
            )
        )
        for scenario in scenarios:
            _profile(scenario, model, server, py_spy, options.top)
    return 0


def _profile(scenario: str, model: ModelServer, server: Server, py_spy: Path, top: int) -> None:
    worker = server.pids[-1]
    seconds = _SECONDS[scenario]
    fields: dict[str, object] = {**LOADS[scenario], "path": server.kind.path, "fields": dict(server.kind.fields)}
    # Once undisturbed for the account, once for each sampler, which slows what it looks at.
    before = thread_seconds(worker)
    outcome = finish_load(begin_load(model, server, **fields))
    after = thread_seconds(worker)
    by_thread: defaultdict[str, float] = defaultdict(float)
    names = _thread_names(py_spy, worker)
    for thread, (name, used) in after.items():
        by_thread[names.get(thread, name)] += used - before.get(thread, ("", 0.0))[1]
    per = outcome.whole if scenario == "fixed" else outcome.measured_tokens
    unit = "request" if scenario == "fixed" else "token"
    total = sum(by_thread.values())
    print(f"\n== {scenario}: {outcome.server_cpu / per * 1e6:.1f} us of CPU and {outcome.switches / per:.2f} context")
    print(f"   switches for each {unit}; by thread, as the kernel has it:")
    for name, used in sorted(by_thread.items(), key=lambda item: -item[1])[:6]:
        print(f"   {used / total:6.1%}  {name}")
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
        load = begin_load(model, server, **fields)
        samples = _sample(py_spy, worker, seconds, Path(directory))
        finish_load(load)
        _print_python(samples, top)
        perf = shutil.which("perf")
        if perf is not None:
            load = begin_load(model, server, **fields)
            _print_native(perf, worker, seconds, Path(directory))
            finish_load(load)


def _thread_names(py_spy: Path, worker: int) -> dict[int, str]:
    said = subprocess.run([py_spy, "dump", "--json", "-p", str(worker)], capture_output=True, text=True)
    if said.returncode:
        return {}
    return {
        thread["os_thread_id"]: _NUMBERS.sub("N", thread["thread_name"] or "?") for thread in json.loads(said.stdout)
    }


def _sample(py_spy: Path, worker: int, seconds: int, directory: Path) -> list[tuple[list[str], int]]:
    """Return stacks, the thread's name first, and how often each held the GIL."""
    file = directory / "stacks"
    options = ["-d", str(seconds), "-r", str(_SAMPLES_PER_SECOND), "-f", "raw", "-o", str(file), "--threads", "--gil"]
    said = subprocess.run([py_spy, "record", "-p", str(worker), *options], capture_output=True, text=True)
    if said.returncode:
        print(f"   py-spy: {said.stderr.strip()[-500:]}")
        return []
    samples = []
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        name = _NUMBERS.sub("N", thread.partition("): ")[2].rstrip(")") or thread)
        samples.append(([name, *(_LINE.sub(")", frame) for frame in frames)], int(count)))
    return samples


def _print_python(samples: list[tuple[list[str], int]], top: int) -> None:
    total = sum(count for _, count in samples) or 1
    threads: Counter[str] = Counter()
    own: defaultdict[str, Counter[str]] = defaultdict(Counter)
    within: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (thread, *frames), count in samples:
        threads[thread] += count
        if frames:
            own[thread][frames[-1]] += count
        for frame in set(frames):
            within[thread][frame] += count
    print(f"   Python functions by share of the time in which the GIL is held ({total} samples):")
    for thread, count in threads.most_common(3):
        print(f"   -- {thread}: {count / total:.1%}")
        print(f"      {'itself':<62} with what it calls")
        rows = zip(own[thread].most_common(top), within[thread].most_common(top + 12)[12:], strict=False)
        for (left, left_count), (right, right_count) in rows:
            print(f"      {left_count / total:6.1%}  {left:<54.54} {right_count / total:6.1%}  {right}")


def _print_native(perf: str, worker: int, seconds: int, directory: Path) -> None:
    file = directory / "perf.data"
    record = [perf, "record", "-e", "cpu-clock", "-F", "2000", "-o", str(file), "-p", str(worker), "--"]
    subprocess.run([*record, "sleep", str(seconds)], capture_output=True)
    for what, sort, least in (("libraries", "dso", "1"), ("C functions and the kernel", "sym,dso", "0.8")):
        report = [perf, "report", "-i", str(file), "--stdio", "--sort", sort, "--percent-limit", least]
        said = subprocess.run(report, capture_output=True, text=True)
        lines = [line.rstrip() for line in said.stdout.splitlines() if line.strip() and not line.startswith("#")]
        print(f"   -- {what}, by share of CPU time (perf, cpu-clock)")
        for line in lines[:18]:
            print(f"      {line.strip()}")


if __name__ == "__main__":
    sys.exit(main())
