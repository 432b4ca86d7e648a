"""Reads the Dockerfile: its stages, and what a container of its last stage is run with."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Final

from tools.common.gunicorn_server import REPOSITORY

DOCKERFILE: Final = REPOSITORY / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its image, its name, and its instructions in order."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """Return what all instructions of one kind say."""
        return [value for kind, value in self.instructions if kind == instruction]

    def value(self, instruction: str) -> str:
        """Return what the only instruction of one kind says."""
        (only,) = self.values(instruction)
        return only

    @property
    def environment(self) -> dict[str, str]:
        """The variables of ENV, as they are written."""
        pairs = [pair for value in self.values("ENV") for pair in shlex.split(value)]
        return {name: text for name, _, text in (pair.partition("=") for pair in pairs)}

    @property
    def command(self) -> list[str]:
        """The command, which has to be in exec form."""
        return exec_form(self.value("CMD"))

    @property
    def health_check(self) -> list[str]:
        """The command of the health check, which has to be in exec form."""
        return exec_form(self.value("HEALTHCHECK").partition("CMD ")[2])


def exec_form(text: str) -> list[str]:
    """Return the words of an instruction in exec form; in shell form, a shell would get the signals."""
    words = json.loads(text)
    assert isinstance(words, list)
    assert all(isinstance(word, str) for word in words)
    return words


def read_stages() -> dict[str, Stage]:
    """Return the stages by their names, with the arguments before the first one put in."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        kind, _, value = line.partition(" ")
        value = re.sub(r"\s+", " ", value.strip())
        if kind == "FROM":
            image, _, name = value.partition(" AS ")
            stages[name] = Stage(re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], image), name)
        elif stages:
            list(stages.values())[-1].instructions.append((kind, value))
        else:
            assert kind == "ARG", line
            name, _, default = value.partition("=")
            arguments[name] = default
    return stages
