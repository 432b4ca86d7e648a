"""The clients of the table in docs/reference/clients.md: what each is, where it is installed, and what it does."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.clients.client_process import DRIVERS, beside_packages
from tools.common.gunicorn_server import REPOSITORY

#: Where `make clients` installs what `make test` does without.
FOLDER = REPOSITORY / "build" / "clients"
OWN_PYTHON = FOLDER / "python" / "bin" / "python"
#: Node comes from a package too: some clients need a later one than the page's tools.
OWN_NODE = FOLDER / "python" / "bin" / "node"
#: Whether it has.
IS_INSTALLED = (FOLDER / "node" / ".installed").exists()


@dataclass(frozen=True)
class Client:
    """One client.

    Attributes:
        name: As the table has it.
        package: What it is installed as.
        driver: Its program in `drivers/`.
        is_small: True where `make test` runs it; its package is then among those of the other tests.
        lacks: What it has not, with the reason: operations of its driver, `reasoning`,
            `retries`, or `x-should-retry`.
        env: Further variables of its process.
    """

    name: str
    package: str
    driver: str
    is_small: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_installed(self) -> bool:
        """Whether its packages are there."""
        if self.is_small:
            return True
        return IS_INSTALLED

    def command(self) -> list[str]:
        """Return what runs its driver."""
        if self.driver.endswith(".py"):
            return [sys.executable if self.is_small else str(OWN_PYTHON), str(DRIVERS / self.driver)]
        folder: Path = REPOSITORY if self.is_small else FOLDER / "node"
        node = shutil.which("node") or str(REPOSITORY / ".venv" / "bin" / "node")
        return [node if self.is_small else str(OWN_NODE), str(beside_packages(self.driver, folder))]


Test = TypeVar("Test", bound=Callable[..., None])


def of_clients(applies: Callable[[Client], bool]) -> Callable[[Test], Test]:
    """Have a test run for those clients only of which something holds."""

    def mark(test: Test) -> Test:
        test.applies = applies  # type: ignore[attr-defined]  # pytest_generate_tests of conftest.py reads it
        return test

    return mark


def having(operation: str) -> Callable[[Test], Test]:
    """Have a test run for those clients only that do something."""
    return of_clients(lambda client: operation not in client.lacks)


OWN_WORK = "left to the program"
READER = dict.fromkeys(("whole", "tool", "tool_loop", "structured", "retries"), OWN_WORK)
OWN_LOOP = {"tool_loop": "yes; the loop is left to the program"}
RUNS_TOOLS = {"tool": "yes, and runs them"}
NO_REASONING = {"reasoning": "not shown"}
NO_SCHEMA = {"structured": "as JSON, without the schema"}
RETRIES_BY_STATUS = {"x-should-retry": "by the status alone: also where that cannot help"}
CLIENTS = (
    Client("openai, Python", "openai", "openai_sync.py", is_small=True),
    Client("openai, Python, asyncio", "openai", "openai_async.py", is_small=True, lacks=OWN_LOOP),
    Client("openai, npm", "openai", "openai_node.mjs", is_small=True),
    Client("httpx-sse", "httpx-sse", "httpx_events.py", is_small=True, lacks=READER),
    Client("eventsource-parser", "eventsource-parser", "eventsource_parser.mjs", is_small=True, lacks=READER),
    Client("openai, Python, later", "openai", "openai_sync.py"),
    Client("openai, npm, later", "openai", "openai_node.mjs"),
    Client("langchain-openai", "langchain-openai", "langchain_chat.py", lacks=NO_REASONING),
    Client("@langchain/openai", "@langchain/openai", "langchain_node.mjs", lacks=NO_REASONING | RETRIES_BY_STATUS),
    Client("litellm", "litellm", "litellm_completion.py", lacks=OWN_LOOP),
    Client("llm", "llm", "llm_command.py", lacks=RUNS_TOOLS | NO_REASONING | {"abort": "it runs to its end"}),
    Client("pydantic-ai", "pydantic-ai-slim", "pydantic_ai_agent.py", lacks=RUNS_TOOLS),
    Client("ai 5", "ai-5", "ai_sdk.mjs", lacks=RETRIES_BY_STATUS | NO_SCHEMA, env={"AI_MAJOR": "5"}),
    Client("ai 6", "ai-6", "ai_sdk.mjs", lacks=RETRIES_BY_STATUS, env={"AI_MAJOR": "6"}),
    Client("ai 7", "ai", "ai_sdk.mjs", lacks=RETRIES_BY_STATUS, env={"AI_MAJOR": "7"}),
)
