"""What the Makefile's set-up installs and says; pip is a stand-in, and make is real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.gunicorn_server import REPOSITORY

PIP = """#!/bin/bash
echo "$*" >> "$(dirname "$0")/asked"
echo "Collecting flask==3.1.3 (from -r requirements.txt (line 5))"
echo "  Downloading flask-3.1.3-py3-none-any.whl (103 kB)"
echo "Collecting typing-extensions<5,>=4.11 (from openai==3.54.0->-r requirements.txt (line 7))"
echo "Processing /wheels/pydantic_core-2.50.4-cp311-cp311-manylinux_2_17_x86_64.whl (from pydantic)"
echo "Installing collected packages: flask, typing-extensions, pydantic-core"
echo "Successfully installed flask-3.1.3"
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    return folder


def make(venv: Path, target: str, pip: str) -> subprocess.CompletedProcess[str]:
    script = venv / "bin" / "pip"
    script.write_text(pip)
    script.chmod(0o755)
    # No stamp of the developer's own is looked at, and nothing of the repository is written.
    command = ["make", "--no-print-directory", f"VENV={venv}", f"{venv}/{target}"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)


def test_the_first_start_says_what_it_is_doing(venv: Path) -> None:
    made = make(venv, ".runs", PIP)
    assert made.returncode == 0, made.stderr
    says, packages, then = made.stdout.splitlines()
    assert "installing what runs Sluice" in says
    assert packages.split() == ["flask", "typing-extensions", "pydantic_core"]
    assert then == "unpacking them"


def test_an_installation_that_fails_ends_the_start_and_is_tried_again(venv: Path) -> None:
    failed = make(venv, ".runs", PIP + "echo 'ERROR: no network' >&2\nexit 1\n")
    assert failed.returncode != 0
    assert "ERROR: no network" in failed.stderr
    assert make(venv, ".runs", PIP).returncode == 0
    assert len((venv / "bin" / "asked").read_text().splitlines()) == 2


def test_load_tests_install_nothing_of_the_other_tests(venv: Path) -> None:
    target = subprocess.run(
        ["make", "-n", f"VENV={venv}", "load"], cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True
    )
    assert "-m tools.loadtest" in target.stdout
    assert "tests/requirements.txt" not in target.stdout
