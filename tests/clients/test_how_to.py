"""The programs of docs/how-to/openai-clients.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.client_process import DRIVERS, NO_OTHER_SERVERS
from tests.clients.clients import FOLDER, IS_INSTALLED, OWN_NODE, OWN_PYTHON
from tests.support.running_server import RunningServer
from tools.common.gunicorn_server import REPOSITORY
from tools.common.scripted_model import MODEL_NAME, reply, usage_of

PAGE = (REPOSITORY / "docs/how-to/openai-clients.md").read_text()
#: The blocks of code by their headings: pairs of a language and a text.
BLOCKS = {
    section.partition("\n")[0]: re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    for section in PAGE.split("\n## ")[1:]
}
# These are no programs; `drivers/use_chat.mjs` has them in a page.
USE_CHAT = BLOCKS.pop("useChat")
# It prints no answer: see below.
((_, AIPERF),) = BLOCKS.pop("AIPerf")
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


def test_the_page_of_the_tests_shows_errors_as_the_page_says() -> None:
    assert [block in (DRIVERS / "use_chat.mjs").read_text() for language, block in USE_CHAT if language == "js"] == [
        True
    ]


@pytest.mark.long
@pytest.mark.skipif(not (FOLDER / "aiperf/.installed").exists(), reason="`make clients` installs what this needs")
def test_aiperf_counts_what_the_provider_has_sent(server: RunningServer, tmp_path: Path) -> None:
    sent = reply(*["word "] * 20, usage=usage_of(9, 20))
    server.model.enqueue(*[sent] * 20)
    command = AIPERF.replace("http://127.0.0.1:8000", server.url).replace("my-model", MODEL_NAME)
    # LiteLLM's package has the encoding.
    encodings = next((FOLDER / "python").glob("lib/*/site-packages/litellm/litellm_core_utils/tokenizers"))
    env = {
        "PATH": f"{FOLDER / 'aiperf/bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TIKTOKEN_CACHE_DIR": str(encodings),
        **NO_OTHER_SERVERS,
    }
    shown = f"--output-artifact-dir {tmp_path} --ui-type none"
    ran = subprocess.run(
        ["bash", "-c", f"{command.rstrip()} {shown}"], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counted = json.loads((tmp_path / "profile_export_aiperf.json").read_text())
    assert counted["request_count"]["avg"] == len(server.model.exchanges) == 20
    assert counted["output_sequence_length"]["avg"] == 20
    assert counted["time_to_first_token"]["avg"] > 0
    assert not counted["error_summary"]
