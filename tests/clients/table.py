"""The table of docs/reference/clients.md. `python -m tests.clients.table` prints it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.clients.clients import CLIENTS, Client
from tools.common.gunicorn_server import REPOSITORY

OWN_PACKAGES = REPOSITORY / "tests" / "clients"
HEAD = ("Client", "Version", "Whole answers", "Tools", "Given form", "Reasoning", "Repeats requests", "Run by")


def npm_version(package: str, folder: Path) -> str:
    """Return the version that a folder's `package.json` pins, of a package under the name that it has there."""
    fields = json.loads((folder / "package.json").read_text())
    pin = str((fields["dependencies"] | fields.get("devDependencies", {}))[package])
    return pin.rpartition("@")[2]


def version_of(client: Client) -> str:
    """Return the version that is installed for the tests: of `make test`, or of `make clients`."""
    if client.driver.endswith(".mjs"):
        return npm_version(client.package, REPOSITORY if client.is_small else OWN_PACKAGES)
    files = ("requirements.txt", "tests/requirements.txt") if client.is_small else ("tests/clients/requirements.txt",)
    pins = "".join((REPOSITORY / file).read_text() for file in files)
    found = re.search(rf"^{re.escape(client.package)}(?:\[\w+\])?==(\S+)", pins, re.MULTILINE)
    assert found, client
    return found[1]


def row_of(client: Client) -> str:
    """Return the row of a client: `yes`, or why not."""

    def says(what: str) -> str:
        return client.lacks.get(what, "yes")

    repeats = client.lacks.get("retries") or says("x-should-retry")
    tools = client.lacks.get("tool_loop") or says("tool")
    target = "`make test`" if client.is_small else "`make clients`"
    cells = (
        client.name,
        version_of(client),
        says("whole"),
        tools,
        says("structured"),
        says("reasoning"),
        repeats,
        target,
    )
    return f"| {' | '.join(cells)} |"


def make_use_chat_table() -> str:
    """Return the table of the page with `useChat`."""
    rows = [
        f"| {npm_version(react, OWN_PACKAGES)} | {npm_version(ai, OWN_PACKAGES)} |{' yes |' * 7}"
        for react, ai in (("ai-react-2", "ai-5"), ("ai-react-3", "ai-6"), ("@ai-sdk/react", "ai"))
    ]
    head = (
        "| @ai-sdk/react | ai | Text | Reasoning | Tools of the application | Errors | Stop | Resume | Heartbeats |"
    )
    return "\n".join([head, f"|{'---|' * 9}", *rows])


def make_table() -> str:
    """Return the table of the clients of OpenAI's API."""
    head = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    return "\n".join([*head, *map(row_of, CLIENTS)])


if __name__ == "__main__":
    print(make_table(), make_use_chat_table(), sep="\n\n")
