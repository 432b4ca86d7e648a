"""`python -m tools.bench`, or `make bench`: see `--help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tools.bench import scenarios as plans
from tools.bench.chart import chart
from tools.bench.readme import refresh, section
from tools.bench.report import markdown, terminal_end, terminal_table
from tools.bench.results import DIRECT, Results, Turn
from tools.bench.runner import BrokenLoad, Target, begin_load, finish_load
from tools.bench.scenarios import Scenario
from tools.bench.servers import KINDS, REPOSITORY, Kind, Server, Unavailable
from tools.common.accounting import machine
from tools.common.processes import ModelServer

_OUTPUT = REPOSITORY / "build" / "bench"
_SAVED = REPOSITORY / "docs" / "reference" / "bench"
_READMES = {"en": REPOSITORY / "README.md", "zh": REPOSITORY / "README.zh-CN.md"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; 1 where an answer of Sluice did not arrive whole."""
    options = _options(arguments)
    if not Path("/proc/self/smaps_rollup").exists():
        print("The bench reads the accounts of Linux (/proc); it does not run here.", file=sys.stderr)
        return 2
    # A stream takes two descriptors of a server.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else 65536, most))
    # Ended like Ctrl-C: with the report of what was measured, and without leaving a process behind.
    signal.signal(signal.SIGTERM, _interrupt)
    wanted = plans.scenarios(options.quick) + (plans.growth(options.quick) if options.growth else [])
    if options.only:
        wanted = [scenario for scenario in wanted if scenario.name.partition("-")[0] in options.only]
    results = Results({**machine(), "command": _command(options), "commit": _commit()})
    results.facts["versions"] = {}
    began = time.monotonic()
    interrupted = False
    try:
        with contextlib.ExitStack() as stack:
            _Bench(results, stack, options.servers, options.rounds).run(wanted)
    except KeyboardInterrupt:
        interrupted = True
        _progress("")
        print("interrupted; this is what was measured")
        for scenario in results.scenarios:
            print(terminal_table(results, scenario))
    results.facts["seconds"] = round(time.monotonic() - began)
    print(terminal_end(results))
    if results.scenarios:
        _write(results, options.out)
        if options.save and not interrupted:
            _write(results, _SAVED)
            for language, readme in _READMES.items():
                refresh(readme, section(results, language))
            print(f"shown in {' and '.join(readme.name for readme in _READMES.values())}")
    asked = [results.whole(scenario.name, "sluice") for scenario in results.scenarios]
    return 130 if interrupted else int(any(whole < total for whole, total in asked))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    def names(known: Sequence[str]) -> Callable[[str], list[str]]:
        def parse(text: str) -> list[str]:
            chosen = [name.strip() for name in text.split(",") if name.strip()]
            unknown = [name for name in chosen if name not in known]
            if unknown:
                raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: it should be of {', '.join(known)}")
            return chosen

        return parse

    known = [scenario.name for scenario in plans.scenarios(False)]
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Hold Sluice against its peers in one run: CPU time of the server's processes, delay, memory.",
        epilog="Servers: " + "; ".join(f"{kind.name} ({kind.title})" for kind in KINDS.values()) + ".",
    )
    parser.add_argument("--quick", action="store_true", help="everything, but small: about two minutes")
    parser.add_argument(
        "--only",
        type=names([*known, "streams", "workers"]),
        metavar="A,B",
        help=f"of {', '.join(known)}; of --growth: streams, workers",
    )
    parser.add_argument("--servers", type=names(list(KINDS)), metavar="A,B", help="default: all")
    parser.add_argument("--rounds", type=int, choices=range(1, 21), metavar="N", help="rounds of each scenario")
    parser.add_argument("--growth", action="store_true", help="also from 1 to 1,000 streams and from 1 to 4 workers")
    parser.add_argument(
        "--save", action="store_true", help=f"also into {_SAVED.relative_to(REPOSITORY)}/ and the READMEs"
    )
    parser.add_argument("--out", type=Path, default=_OUTPUT, help="where the files go; default: build/bench/")
    options = parser.parse_args(arguments)
    if options.only and {"streams", "workers"} & set(options.only):
        options.growth = True
    return options


def _command(options: argparse.Namespace) -> str:
    """Write down what was asked for; where the files went does not matter."""
    said = [f"--{name}" for name in ("quick", "growth") if getattr(options, name)]
    said += [f"--{name} {','.join(getattr(options, name))}" for name in ("only", "servers") if getattr(options, name)]
    said += [f"--rounds {options.rounds}"] if options.rounds else []
    return " ".join(["python -m tools.bench", *said]) if said else "make bench"


def _commit() -> str:
    """Name the code that is measured, as far as git knows it."""
    git = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


class _Bench:
    """One run: the model, the servers that stay for all of it, and the turns."""

    def __init__(
        self, results: Results, stack: contextlib.ExitStack, servers: list[str] | None, rounds: int | None
    ) -> None:
        self._results = results
        self._stack = stack
        self._chosen = servers
        self._rounds = rounds
        self._model = stack.enter_context(ModelServer())
        self._running: dict[str, Server] = {}

    def run(self, wanted: list[Scenario]) -> None:
        """Take all turns of all scenarios, and print each table when it is there."""
        kinds = [kind for kind in KINDS.values() if self._chosen is None or kind.name in self._chosen]
        kinds = [kind for kind in kinds if self._known(kind)]
        for scenario in wanted:
            for number in range(self._rounds or scenario.rounds):
                for name, turn in self._round(scenario, kinds, f"round {number + 1}"):
                    self._results.add(scenario, name, turn)
            _progress("")
            if scenario in self._results.scenarios:
                print(terminal_table(self._results, scenario), flush=True)
                print(flush=True)

    def _known(self, kind: Kind) -> bool:
        try:
            self._results.facts["versions"][kind.name] = kind.versions()
        except Unavailable as reason:
            self._results.missing[kind.name] = str(reason)
        except PackageNotFoundError as missing:
            self._results.missing[kind.name] = f"{missing.name}: make .venv/.bench"
        return kind.name not in self._results.missing

    def _round(self, scenario: Scenario, kinds: list[Kind], what: str) -> Iterator[tuple[str, Turn]]:
        for kind in kinds:
            if not scenario.takes(kind, self._chosen):
                continue
            _progress(f"{scenario.name}, {what}: {kind.title}")
            try:
                with contextlib.ExitStack() as own:
                    if scenario.fresh:
                        server = own.enter_context(
                            Server(
                                kind,
                                self._model.port,
                                streams=scenario.streams,
                                workers=scenario.workers,
                                slots=scenario.slots,
                            )
                        )
                        self._warm(server, streams=4 * scenario.workers)
                    else:
                        server = self._standing(kind)
                    yield kind.name, self._turn(scenario, kind, server)
            except (Unavailable, BrokenLoad) as reason:
                # The rest is a log, with this machine's paths.
                self._results.missing[f"{scenario.name}, {kind.name}"] = str(reason).partition("\n")[0]
                print(f"\n{reason}", file=sys.stderr)
        if scenario.name == "delay":
            _progress(f"{scenario.name}, {what}: nothing in between")
            yield DIRECT, self._turn(scenario, None, self._model)

    def _standing(self, kind: Kind) -> Server:
        if kind.name not in self._running:
            server = self._stack.enter_context(Server(kind, self._model.port))
            self._running[kind.name] = server
            self._warm(server, streams=50)
        return self._running[kind.name]

    def _warm(self, server: Server, streams: int) -> None:
        asked = {"path": server.kind.path, "fields": dict(server.kind.fields)}
        finish_load(begin_load(self._model, server, streams=streams, tokens=20, rate=0.0, **asked))

    def _turn(self, scenario: Scenario, kind: Kind | None, target: Target) -> Turn:
        if kind is None:
            fields = scenario.load(KINDS["sluice"], self._paced(KINDS["sluice"]))
            fields |= {"path": "/v1/chat/completions"}
        else:
            fields = scenario.load(kind, self._paced(kind) if scenario.name == "delay" else 0.0)
            fields |= {"path": kind.path, "fields": dict(kind.fields)}
        if isinstance(target, Server):
            fields |= {"store_pids": target.store_pids}
        outcome = finish_load(begin_load(self._model, target, **fields))
        return Turn(scenario.figures(outcome), asdict(outcome))

    def _paced(self, kind: Kind) -> float:
        """Return what a paced token cost this server in this run, in CPU us; found out now if need be."""
        known = self._results.median("paced", kind.name, "cpu_us")
        if not math.isnan(known) or kind.name not in self._running:
            return 0.0 if math.isnan(known) else known
        load = begin_load(self._model, self._running[kind.name], streams=40, tokens=50, rate=50.0)
        return plans.per_token(finish_load(load))["cpu_us"]


def _write(results: Results, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bench.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    drawn = chart(results)
    (directory / "bench.md").write_text(markdown(results, bool(drawn)))
    if drawn:
        (directory / "bench.svg").write_text(drawn)
    print(f"written to {directory}/: bench.md, bench.json{', bench.svg' if drawn else ''}")


def _progress(text: str) -> None:
    """Show what runs on the terminal's last line; without a terminal, on a line of its own."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(f"  {text}", file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
