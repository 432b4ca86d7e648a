"""`python -m tools.soak --minutes 10 --seed 1`; Ctrl-C ends it early, with a report all the same."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tools.common.gunicorn_server import REPOSITORY
from tools.soak.run import Soak


def main() -> int:
    """Run and return the exit code: 0 when all is well."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, default=None, help="what clients and model do (the clock's)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "soak", help="where the report goes")
    parser.add_argument(
        "--no-collector", action="store_true", help="show as growth what only the cycle collector frees"
    )
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    soak = Soak(
        arguments.minutes * 60,
        seed,
        arguments.output,
        say=lambda line: print(line, flush=True),
        collector=not arguments.no_collector,
    )
    signal.signal(signal.SIGINT, lambda *_: soak.stop.set())
    print(f"soaking for {arguments.minutes:g} minutes, seed {seed}", flush=True)
    good = soak.run()
    for complaint in soak.complaints:
        print(f"- {complaint}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
