"""The command-line tool `llm`, with a model of `extra-openai-models.yaml`. `LLM_USER_PATH` names its folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from requests_on_stdin import MODEL, URL, Seen, serve

PROGRAM = Path(sys.executable).with_name("llm")
FUNCTION = """
def weather(city: str) -> str:
    "The weather of a city."
    return "rain in " + city
"""


def set_up() -> None:
    """Write the file of models that docs/how-to/openai-clients.md describes."""
    model = {"model_id": "sluice", "model_name": MODEL, "api_base": URL, "api_key_name": "sluice"}
    models = [
        {**model, "supports_tools": True, "supports_schema": True},
        {**model, "model_id": "other-sluice", "model_name": "other"},
    ]
    folder = Path(os.environ["LLM_USER_PATH"])
    # JSON is YAML, too.
    (folder / "extra-openai-models.yaml").write_text(json.dumps(models))
    (folder / "keys.json").write_text(json.dumps({"sluice": os.environ["OPENAI_API_KEY"]}))


def run(seen: Seen, prompt: str, *arguments: str, model: str = MODEL) -> None:
    """Run the program to its end.

    Raises:
        RuntimeError: It failed. The text is what it said.
    """
    name = "sluice" if model == MODEL else "other-sluice"
    command = [str(PROGRAM), "prompt", "-m", name, "--no-log", "-u", *arguments, prompt]
    # What is on its standard input would be part of the prompt.
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := os.read(process.stdout.fileno(), 65536):
            seen.add(piece.decode().rstrip("\n"))
        said = process.stderr.read().decode()
    if process.returncode:
        raise RuntimeError(said.strip())
    if usage := re.search(r"([\d,]+) input, ([\d,]+) output", said):
        seen.count(int(usage[1].replace(",", "")), int(usage[2].replace(",", "")))


def stream(seen: Seen, prompt: str, model: str = MODEL, retries: int = 2) -> None:
    # As many as openai's client does by itself.
    assert retries == 2
    run(seen, prompt, model=model)


def whole(seen: Seen, prompt: str, model: str = MODEL) -> None:
    run(seen, prompt, "--no-stream", model=model)


def tool_loop(seen: Seen, prompt: str) -> None:
    run(seen, prompt, "--functions", FUNCTION)


def structured(seen: Seen, prompt: str) -> None:
    run(seen, prompt, "--schema", "name str, people int")
    seen.value = json.loads("".join(seen.pieces))


if __name__ == "__main__":
    set_up()
    serve({"stream": stream, "whole": whole, "tool_loop": tool_loop, "structured": structured})
