"""The programs of docs/how-to/openai-clients.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.client_process import NO_OTHER_SERVERS
from tests.clients.clients import FOLDER, IS_INSTALLED, OWN_NODE, OWN_PYTHON
from tests.support.running_server import RunningServer
from tools.common.gunicorn_server import REPOSITORY
from tools.common.scripted_model import MODEL_NAME, reply

PAGE = (REPOSITORY / "docs/how-to/openai-clients.md").read_text()
#: The blocks of code by their headings: pairs of a language and a text.
BLOCKS = {
    section.partition("\n")[0]: re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    for section in PAGE.split("\n## ")[1:]
}
# It is no program; `drivers/use_chat.mjs` has it in a page.
del BLOCKS["useChat"]
#: Those whose packages `make test` has.
SMALL = ("curl", "openai (Python)")


def parameters() -> list[object]:
    """Return each heading; `make test` leaves out those that only `make clients` installs."""
    absent = pytest.mark.skipif(not IS_INSTALLED, reason="`make clients` installs what this needs")
    return [pytest.param(name, marks=[] if name in SMALL else [pytest.mark.long, absent]) for name in BLOCKS]


@pytest.mark.parametrize("name", parameters())
def test_a_program_of_the_page_prints_the_answer(server: RunningServer, tmp_path: Path, name: str) -> None:
    server.model.enqueue(reply("Hel", "lo"))
    python = Path(sys.executable) if name in SMALL else OWN_PYTHON
    command: list[str] = []
    for language, block in BLOCKS[name]:
        text = block.replace("http://127.0.0.1:8000", server.url).replace("my-model", MODEL_NAME)
        if language == "yaml":
            (tmp_path / "extra-openai-models.yaml").write_text(text)
        elif language == "python":
            (tmp_path / "program.py").write_text(text)
            command = [str(python), str(tmp_path / "program.py")]
        elif language == "js":
            # Node looks for packages beside the file.
            program = FOLDER / "node" / f"{tmp_path.name}.mjs"
            program.write_text(text)
            command = [str(OWN_NODE), str(program)]
        else:
            assert language == "bash"
            command = ["bash", "-c", text]
    env = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LLM_USER_PATH": str(tmp_path),
        **NO_OTHER_SERVERS,
    }
    ran = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    if name == "curl":
        assert re.findall(r'"content": ?"(\w+)"', ran.stdout) == ["Hel", "lo"]
    else:
        assert ran.stdout.rstrip("\n") == "Hello"
