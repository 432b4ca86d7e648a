"""Read and check the command line. The message of an error says what is wrong and what would be right."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from .goodput import read_limits
from .scenario import RESUMING, SCENARIOS

MOST_SECONDS: Final = 3600.0
MOST_REQUESTS: Final = 1_000_000
MOST_BY_DEFAULT: Final = 100_000
MOST_CLIENTS: Final = 10_000
DEFAULT_REPORT: Final = Path("build/load-report.html")

EXAMPLES: Final = """examples:
  python -m tools.loadtest                                    our own server, 10 clients, 30 seconds
  python -m tools.loadtest --url http://127.0.0.1:8000 steady --concurrency 50 --duration 60
  python -m tools.loadtest poisson --rate 20 --goodput ttft:500 itl:50
  python -m tools.loadtest leavers --share 0.5
  python -m tools.loadtest blips --share 1 --model-tokens 500
  python -m tools.loadtest deploy --signal TERM
  python -m tools.loadtest sweep --concurrency 512 --json sweep.json --html sweep.html
"""


class Parser(argparse.ArgumentParser):
    """An argument parser with plain error messages."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and exit."""
        if message.startswith("argument ") and ": expected " in message:
            option, _, expected = message.removeprefix("argument ").partition(": expected ")
            message = f"{option} needs {expected.replace('argument', 'value')}"
        elif message.startswith("argument "):
            message = message.partition(": ")[2]
        elif message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0]
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown, known, n=1)
            meant = f"did you mean {near[0]}?" if near else "--help lists what there is"
            message = f"there is no option or second scenario {unknown!r}; {meant}"
        print(f"python -m tools.loadtest: {message}", file=sys.stderr)
        sys.exit(2)


def _number(
    option: str, kind: type[int] | type[float], least: float, most: float, what: str, *, above: bool = False
) -> Callable[[str], Any]:
    span = f"above {least:g} and at most {most:g}" if above else f"from {least:g} to {most:g}"
    expected = f"{option} should be {what} {span}"

    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most or (above and number == least):
            raise argparse.ArgumentTypeError(f"{expected}, not {text!r}")
        return number

    return parse


def _seconds(option: str, most: float = MOST_SECONDS, *, above: bool = True) -> Callable[[str], Any]:
    return _number(option, float, 0, most, "seconds", above=above)


def _scenario(text: str) -> str:
    if text not in SCENARIOS:
        near = difflib.get_close_matches(text, SCENARIOS, n=1, cutoff=0.5)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentTypeError(f"the scenario should be one of {', '.join(SCENARIOS)}, not {text!r}{meant}")
    return text


def _pair(option: str, separator: str, example: str) -> Callable[[str], tuple[str, str]]:
    def parse(text: str) -> tuple[str, str]:
        name, found, value = text.partition(separator)
        if not found or not name.strip() or not text.isprintable():
            raise argparse.ArgumentTypeError(f"{option} should be such as {example}, not {text!r}")
        return name.strip(), value.strip()

    return parse


def _word(option: str, *words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        for word in words:
            if text.lower().removeprefix("sig") == word.lower():
                return word
        raise argparse.ArgumentTypeError(f"{option} should be {' or '.join(words)}, not {text!r}")

    return parse


def parser() -> Parser:
    """Return the parser, for `--help` too."""
    made = Parser(
        prog="python -m tools.loadtest",
        usage="python -m tools.loadtest [--url URL] [SCENARIO] [options]",
        description="Load a Sluice server, and report what its clients saw.\n\nscenarios:\n"
        + "\n".join(f"  {name:<14}{meaning}" for name, meaning in SCENARIOS.items()),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "scenario",
        nargs="?",
        type=_scenario,
        metavar="SCENARIO",
        help="one of the above (steady)",
    )

    target = made.add_argument_group("target")
    target.add_argument("--url", help="the server's address; without it, one is started with a scripted model")
    target.add_argument("--allow-remote", action="store_true", help="load a machine other than this one")
    target.add_argument(
        "--header",
        action="append",
        default=[],
        type=_pair("--header", ":", '"Authorization: Bearer x"'),
        help="a further header of every request; may be given again",
    )
    target.add_argument("--mode", type=_word("--mode", "stream", "block"), default="stream", help="stream or block")
    target.add_argument("--model", help="the model to name, if not the server's default")
    target.add_argument(
        "--prompts", type=Path, metavar="FILE", help="a prompt on each line, or for .jsonl an object with `message`"
    )

    load = made.add_argument_group("load")
    load.add_argument(
        "-c",
        "--concurrency",
        type=_number("--concurrency", int, 1, MOST_CLIENTS, "a whole number"),
        help="clients, each asking again after its answer (10); with a rate, the most open at once",
    )
    load.add_argument(
        "-r",
        "--rate",
        type=_number("--rate", float, 0, 10_000, "requests a second", above=True),
        help="requests a second, whether or not earlier ones are answered",
    )
    load.add_argument(
        "-d",
        "--duration",
        type=_seconds("--duration"),
        metavar="SECONDS",
        help="how long requests begin, after the warm-up (30; with --requests alone, an hour at most)",
    )
    load.add_argument(
        "-n",
        "--requests",
        type=_number("--requests", int, 1, MOST_REQUESTS, "a whole number"),
        help="no more requests than this (100000)",
    )
    load.add_argument(
        "--warm-up",
        type=_seconds("--warm-up", 600, above=False),
        metavar="SECONDS",
        help="requests of this time do not count (2; 0 with --requests alone, and for burst and ramp)",
    )
    load.add_argument(
        "--think-time",
        type=_seconds("--think-time", 600, above=False),
        default=0.0,
        metavar="SECONDS",
        help="a client's pause between an answer and its next question (0)",
    )
    load.add_argument(
        "--seed",
        type=_number("--seed", int, 0, 2**63, "a whole number"),
        default=1,
        help="of everything random, for the same load again (1)",
    )

    one = made.add_argument_group("of one scenario")
    one.add_argument(
        "--from",
        dest="first",
        type=_number("--from", float, 0, MOST_CLIENTS, "a number"),
        help="ramp: where it begins (1)",
    )
    one.add_argument("--every", type=_seconds("--every"), metavar="SECONDS", help="burst: from one to the next (5)")
    one.add_argument(
        "--share",
        type=_number("--share", float, 0, 1, "a share"),
        help="leavers, slow-readers, resume, blips: how many of the clients (0.5)",
    )
    one.add_argument(
        "--leave-within",
        type=_seconds("--leave-within"),
        metavar="SECONDS",
        help="leavers, resume: each leaves at a random moment of this time (2); blips: again and again",
    )
    one.add_argument(
        "--away",
        type=_seconds("--away", 60),
        metavar="SECONDS",
        help="resume, blips: how long a connection is lost at most, and half a second at least (4 and 1)",
    )
    one.add_argument(
        "--read-rate",
        type=_number("--read-rate", float, 1, 1e9, "bytes a second"),
        help="slow-readers: the bytes a second that they read (2000)",
    )
    one.add_argument("--signal", type=_word("--signal", "HUP", "TERM"), help="deploy: HUP or TERM (HUP)")
    one.add_argument(
        "--stage",
        type=_seconds("--stage", 600),
        metavar="SECONDS",
        help="sweep: how long each level lasts, a fifth of it warm-up (10)",
    )

    limits = made.add_argument_group("limits")
    limits.add_argument(
        "--goodput",
        nargs="+",
        default=[],
        metavar="NAME:MS",
        help="what a good reply keeps: ttft, itl (its mean), gap (its longest), tpot, e2e",
    )
    limits.add_argument(
        "--connect-timeout",
        type=_seconds("--connect-timeout"),
        default=5.0,
        metavar="SECONDS",
        help="for a connection (5)",
    )
    limits.add_argument(
        "--idle-timeout",
        type=_seconds("--idle-timeout"),
        default=60.0,
        metavar="SECONDS",
        help="for the next byte (60)",
    )
    limits.add_argument(
        "--timeout", type=_seconds("--timeout"), default=300.0, metavar="SECONDS", help="for a whole reply (300)"
    )
    limits.add_argument(
        "--grace",
        type=_seconds("--grace", above=False),
        default=30.0,
        metavar="SECONDS",
        help="for replies that are open at the end (30)",
    )

    own = made.add_argument_group("our own server (without --url)")
    own.add_argument(
        "--workers", type=_number("--workers", int, 1, 64, "a whole number"), help="gunicorn's workers (1)"
    )
    own.add_argument(
        "--server-env",
        action="append",
        type=_pair("--server-env", "=", "SLUICE_MAX_STREAMS=500"),
        metavar="NAME=VALUE",
        help="a setting of the server; may be given again",
    )
    own.add_argument(
        "--model-tokens",
        type=_number("--model-tokens", int, 1, 100_000, "a whole number"),
        help="tokens of a reply, on average (100)",
    )
    own.add_argument(
        "--model-rate",
        type=_number("--model-rate", float, 0, 1e6, "tokens a second"),
        help="tokens a second of a reply; 0 is as fast as they are taken (50)",
    )
    own.add_argument(
        "--model-delay",
        type=_seconds("--model-delay", above=False),
        metavar="SECONDS",
        help="until the first token (0.2)",
    )

    report = made.add_argument_group("report")
    report.add_argument("--json", type=Path, metavar="FILE", help="write the figures there; - is standard output")
    report.add_argument(
        "--html",
        type=Path,
        default=DEFAULT_REPORT,
        metavar="FILE",
        help=f"write the report with charts there ({DEFAULT_REPORT})",
    )
    report.add_argument("--no-html", action="store_true", help="write no HTML")
    report.add_argument("--no-live", action="store_true", help="show nothing while it runs")
    return made


_BELONGS: Final = {
    "first": ("--from", ("ramp",)),
    "every": ("--every", ("burst",)),
    "share": ("--share", ("leavers", "slow-readers", "resume", "blips")),
    "leave_within": ("--leave-within", ("leavers", "resume", "blips")),
    "away": ("--away", ("resume", "blips")),
    "read_rate": ("--read-rate", ("slow-readers",)),
    "signal": ("--signal", ("deploy",)),
    "stage": ("--stage", ("sweep",)),
}
_OWN: Final = ("workers", "server_env", "model_tokens", "model_rate", "model_delay")


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read and check the command line; exit with 2 and a message if it is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    if options.goodput and options.scenario is None and options.goodput[-1] in SCENARIOS:
        options.scenario = options.goodput.pop()  # it takes all words that follow it
    options.scenario = options.scenario or "steady"
    try:
        options.limits = read_limits(options.goodput)
    except ValueError as error:
        made.error(f"--goodput: {error}")
    _check_together(made, options)
    _fill_in(options)
    return options


def _check_together(made: Parser, options: argparse.Namespace) -> None:
    scenario = options.scenario
    for name, (option, scenarios) in _BELONGS.items():
        if getattr(options, name) is not None and scenario not in scenarios:
            *others, last = scenarios
            belongs = f"{', '.join(others)} and {last}" if others else last
            made.error(f"{option} belongs to {belongs}; {scenario} should go without it")
    if options.url is not None:
        for name in _OWN:
            if getattr(options, name) is not None:
                option = f"--{name.replace('_', '-')}"
                made.error(f"{option} is about our own server and model; with --url it should be left away")
        if scenario == "deploy":
            made.error("deploy sends signals to our own server; --url should be left away")
    elif options.allow_remote:
        made.error("--allow-remote should come with the --url of a server elsewhere")
    if options.mode == "block" and scenario in RESUMING:
        made.error(f"{scenario} reads events: --mode should be stream")
    if scenario == "poisson" and options.rate is None:
        made.error("poisson should have a --rate, such as --rate 10")
    if scenario == "burst" and options.rate is not None:
        made.error("burst should have --concurrency and --every rather than --rate")
    if scenario == "sweep" and options.duration is not None:
        made.error("sweep should have --stage, the seconds of each level, rather than --duration")
    if options.mode == "block" and (both := {"ttft", "itl", "gap", "tpot"} & options.limits.milliseconds.keys()):
        made.error(f"in block mode a reply comes at once: --goodput should be e2e:..., without {sorted(both)[0]}")
    if options.first is not None and options.first > (options.rate or options.concurrency or 10):
        made.error("--from should not be more than what the ramp leads to, --concurrency or --rate")
    if options.json is not None and str(options.json) != "-" and options.json.is_dir():
        made.error(f"--json should be a file, and {options.json} is a directory")
    if not options.no_html and options.html.is_dir():
        made.error(f"--html should be a file, and {options.html} is a directory")


def _fill_in(options: argparse.Namespace) -> None:
    by_count = options.requests is not None and options.duration is None
    defaults: dict[str, Any] = {
        "concurrency": (MOST_CLIENTS if options.rate is not None else 10),
        "duration": MOST_SECONDS if by_count else 30.0,
        "requests": MOST_BY_DEFAULT,
        "warm_up": 0.0 if by_count or options.scenario in ("burst", "ramp") else 2.0,
        "first": 1.0,
        "every": 5.0,
        "share": 0.5,
        "leave_within": 2.0,
        "away": 1.0 if options.scenario == "blips" else 4.0,
        "read_rate": 2000.0,
        "signal": "HUP",
        "stage": 10.0,
        "workers": 1,
        "server_env": [],
        "model_tokens": 100,
        "model_rate": 50.0,
        "model_delay": 0.2,
    }
    if options.scenario == "sweep" and options.rate is None and options.concurrency is None:
        options.concurrency = 128
    if options.scenario == "burst" and options.concurrency is None:
        options.concurrency = 50
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def told(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a report says of the options: those that shape the load, and no header's value."""
    names = ["concurrency", "rate", "duration", "requests", "warm_up", "think_time", "seed", "model"]
    names += [name for name, (_, scenarios) in _BELONGS.items() if options.scenario in scenarios]
    if options.url is None:
        names += [name for name in _OWN if name != "server_env"]
    shown = {name.replace("first", "from"): getattr(options, name) for name in names}
    if options.scenario == "sweep":
        del shown["duration"], shown["warm_up"]
    shown |= {"prompts": options.prompts.name if options.prompts else None, "goodput": str(options.limits) or None}
    if options.server_env:
        shown["server_env"] = " ".join(
            f"{name}={value}" for name, value in options.server_env if "KEY" not in name.upper()
        )
    if options.requests != MOST_BY_DEFAULT and options.duration == MOST_SECONDS:
        shown.pop("duration", None)  # a count alone was asked for
    untold = {"requests": MOST_BY_DEFAULT, "think_time": 0.0, "concurrency": MOST_CLIENTS}
    return {name: value for name, value in shown.items() if value is not None and untold.get(name) != value}
