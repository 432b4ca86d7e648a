"""`python -m sluice`: the commands of `flask sluice`, without Flask's."""

from __future__ import annotations

from .web.cli.commands import main

main()
