"""`python -m tools.loadtest [--url URL] SCENARIO ...`: see docs/how-to/load-test.md."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import loop as loops
from .html_report import html_report
from .live import LiveView
from .options import read_options
from .own_server import OwnServer
from .prompts import Prompts
from .result import Result
from .session import Session
from .target import Target, TargetError
from .text_report import text_report

#: What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130
ENDING = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one load test.

    Returns:
        0 if it measured anything, 1 if no request succeeded, 2 for a bad argument or target, 130 after Ctrl-C.
    """
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    _allow_many_sockets()
    try:
        prompts = Prompts.read(options.prompts) if options.prompts else Prompts.built_in()
        if options.url is not None:
            target = _target(options, options.url)
            target.check(options.connect_timeout)
            result = loops.run(_run(options, target, prompts, None))
        else:
            print("starting our own server and model ...", file=sys.stderr, flush=True)
            with OwnServer(
                options.workers,
                dict(options.server_env),
                tokens=options.model_tokens,
                rate=options.model_rate,
                delay=options.model_delay,
            ) as own:
                result = loops.run(_run(options, _target(options, own.url), prompts, own))
    except (TargetError, ValueError) as error:
        print(f"python -m tools.loadtest: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    try:
        _write(options, result)
    except OSError as error:
        print(f"python -m tools.loadtest: {error.filename} cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    if result.interrupted:
        return INTERRUPTED
    return 0 if result.requests.success or not result.requests.judged else 1


async def _run(options: argparse.Namespace, target: Target, prompts: Prompts, own: OwnServer | None) -> Result:
    session = Session(options, target, prompts, own)
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        session.interrupt()
        # The next one ends the program at once.
        for number in ENDING:
            loop.remove_signal_handler(number)

    with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread
        for number in ENDING:
            loop.add_signal_handler(number, interrupt)
    try:
        if options.no_live:
            return await session.run()
        async with LiveView(session):
            return await session.run()
    finally:
        with contextlib.suppress(RuntimeError, ValueError):
            for number in ENDING:
                loop.remove_signal_handler(number)


def _target(options: argparse.Namespace, url: str) -> Target:
    return Target.find(url, mode=options.mode, headers=dict(options.header), allow_remote=options.allow_remote)


def _write(options: argparse.Namespace, result: Result) -> None:
    figures = msgspec.json.format(msgspec.json.encode(result), indent=1)
    to_stdout = options.json is not None and str(options.json) == "-"
    # Standard output is for one reader: a program that reads the JSON there must not find a table before it.
    print(text_report(result), file=sys.stderr if to_stdout else sys.stdout)
    if to_stdout:
        print(figures.decode())
    elif options.json is not None:
        _write_file(options.json, figures)
    if not options.no_html:
        _write_file(options.html, html_report(result).encode())
        print(f"charts: {options.html}", file=sys.stderr)


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
