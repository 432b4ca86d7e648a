"""Repeats seeds: `python -m tests.simulation 17`, or `0:1000`; `-v` prints the plan and what happened."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pprint import pformat

from .world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", help="a seed, or a range such as 0:1000")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    first, _, last = options.seeds.partition(":")
    began, failed, orphaned = time.process_time(), 0, 0.0
    seeds = range(int(first), int(last) if last else int(first) + 1)
    for seed in seeds:
        world = World(seed)
        try:
            world.run()
        except Exception as error:
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
            if options.verbose and not isinstance(error, AssertionError):
                traceback.print_exc()
        orphaned += world.orphaned
        if options.verbose:
            print(pformat(world.plan, width=400, compact=True), *world.traces, sep="\n")
    print(
        f"{len(seeds)} seeds, {failed} violations, {orphaned:.1f} orphaned provider seconds within the bounds, "
        f"{time.process_time() - began:.1f} s of CPU"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
