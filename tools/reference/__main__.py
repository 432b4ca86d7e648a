"""Bring the reference pages and `.env.example` up to date: `python -m tools.reference`."""

from __future__ import annotations

import sys

from .pages import write


def main() -> int:
    """Write the files that have changed, and name them."""
    try:
        changed = write()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"wrote {name}" for name in changed) or "all reference pages are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
