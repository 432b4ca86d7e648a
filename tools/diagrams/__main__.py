"""Draw the pictures of the architecture page: `python -m tools.diagrams`."""

from __future__ import annotations

import sys

from .pictures import write


def main() -> int:
    """Write the pictures that have changed, and name them."""
    try:
        changed = write()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"drew {name}" for name in changed) or "all drawings are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
