"""What the Makefile's set-up installs and says. make is real; pip is a stand-in, but where hashes are checked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv as virtual_environment
import zipfile
from pathlib import Path

import pytest

from tools.common.gunicorn_server import REPOSITORY

PIP = """#!/bin/bash
echo "$*" >> "$(dirname "$0")/asked"
echo "Collecting flask==3.1.3 (from -r locks/run.txt (line 5))"
echo "  Downloading flask-3.1.3-py3-none-any.whl (103 kB)"
echo "Collecting typing-extensions<5,>=4.11 (from openai==3.54.0->-r locks/run.txt (line 7))"
echo "Processing /wheels/pydantic_core-2.50.4-cp311-cp311-manylinux_2_17_x86_64.whl (from pydantic)"
echo "Installing collected packages: flask, typing-extensions, pydantic-core"
echo "Successfully installed flask-3.1.3"
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    return folder


def make(venv: Path, target: str, pip: str, **env: str) -> subprocess.CompletedProcess[str]:
    script = venv / "bin" / "pip"
    script.write_text(pip)
    script.chmod(0o755)
    # No stamp of the developer's own is looked at, and nothing of the repository is written.
    locks = [f"LOCKS={env['LOCKS']}"] if "LOCKS" in env else []
    command = ["make", "--no-print-directory", f"VENV={venv}", *locks, f"{venv}/{target}"]
    return subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | env, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_first_start_prints_its_progress(venv: Path) -> None:
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
    assert "locks/tests.txt" not in target.stdout


@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("", "-m gunicorn -c gunicorn.conf.py wsgi:app"),
        ("local", "-m sluice run --model local"),
        ("another-model", "-m sluice run --model another-model"),
    ],
)
def test_the_page_is_served_with_the_model_that_is_named(venv: Path, model: str, command: str) -> None:
    # `make test` would have its child print the folder.
    asked = ["make", "-n", "--no-print-directory", f"VENV={venv}", "run", f"MODEL={model}"]
    done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.rstrip().endswith(command)


def test_every_set_is_installed_by_hashes_alone(venv: Path) -> None:
    assert make(venv, ".bench", PIP).returncode == 0
    assert make(venv, ".load", PIP).returncode == 0
    asked = (venv / "bin" / "asked").read_text().splitlines()
    assert [line.partition("--require-hashes ")[2] for line in asked] == [
        "-r locks/run.txt",
        "-r locks/run.txt -r locks/tests.txt -r locks/examples.txt",
        "-r locks/run.txt -r locks/tests.txt -r locks/examples.txt -r locks/bench.txt",
        "-r locks/run.txt -r locks/load.txt",
    ]
    # Node, uv, setuptools and other makes' clients, which other recipes install.
    makefile = (REPOSITORY / "Makefile").read_text()
    assert makefile.count("pip install ") == makefile.count("--require-hashes") == 5


def wheel(folder: Path, text: str) -> str:
    """Write a package's only file, and return its hash."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": text,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_whose_bytes_are_not_the_locked_ones_ends_the_start(tmp_path: Path) -> None:
    folder, locks = tmp_path / "venv", tmp_path / "locks"
    locks.mkdir()
    virtual_environment.create(folder, with_pip=False, symlinks=True)
    real = f'#!/bin/bash\nexec {sys.executable} -m pip --python {folder}/bin/python "$@"\n'
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "LOCKS": str(locks)}
    locked = wheel(tmp_path, "as it was")
    (locks / "run.txt").write_text(f"tiny==1.0 --hash=sha256:{locked}\n")
    wheel(tmp_path, "with something more")
    refused = make(folder, ".runs", real, **index)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not list(folder.rglob("tiny*"))
    assert not (folder / ".runs").exists()
    wheel(tmp_path, "as it was")
    assert make(folder, ".runs", real, **index).returncode == 0
    assert (folder / ".runs").exists()
