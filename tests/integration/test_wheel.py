"""The package as others install it: the wheel of `make wheel`, beside packages named `service` and `web`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice import __version__
from sluice.web.page.bundle import MANIFEST
from sluice.web.page.libraries import LIBRARIES
from tests.support.documentation import blocks, program
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import fetch, stream_chat

APPLICATION = """
import service
import web
from flask import jsonify
from sluice import create_app

app = create_app()

@app.get("/modules")
def modules():
    return jsonify(service=service.OWNER, web=web.OWNER, sluice=create_app.__module__)
"""


def run(*command: str, cwd: Path = REPOSITORY) -> str:
    # No index: the dependencies are there already, and what is not must fail the test.
    environment = {**os.environ, "PIP_NO_INDEX": "1", "SLUICE_DEMO_TOKENS_PER_SECOND": "5000"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by `make wheel` with the page's libraries that are there."""
    folder = tmp_path_factory.mktemp("dist")
    run("make", "--no-print-directory", "-o", "web/static/vendor/.stamp", "wheel", f"DIST={folder}")
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def application(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an application that has a `service` and a `web` of its own; Sluice is installed elsewhere."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "site"), str(wheel))
    own = folder / "application"
    for package in ("service", "web"):
        (own / package).mkdir(parents=True)
        (own / package / "__init__.py").write_text(f"OWNER = 'the application: {package}'\n")
    (own / "application.py").write_text(APPLICATION)
    return own


@pytest.fixture(scope="module")
def server(application: Path) -> Iterator[GunicornServer]:
    """The application under gunicorn, with the installed Sluice."""
    path = os.pathsep.join([str(application), str(application.with_name("site"))])
    environment = {"PYTHONPATH": path, "SLUICE_DEMO_TOKENS_PER_SECOND": 5000}
    command = ("gunicorn", "-c", "python:sluice.gunicorn", "application:app")
    with GunicornServer(environment, command=command, start_in=application) as running:
        yield running


def test_the_wheel_contains_the_package_the_page_its_libraries_and_the_typing_marker(
    wheel: Path,
) -> None:
    assert wheel.name == f"sluice-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {"sluice", f"sluice-{__version__}.dist-info"}
    assert {"sluice/py.typed", "sluice/web/templates/sluice/page.html"} <= names
    assert {f"sluice/web/static/{name}" for name in (MANIFEST, "bundle/main.js", *LIBRARIES)} <= names
    modules = {f"sluice/{path.relative_to(REPOSITORY)}" for top in ("service", "web") for path in python_files(top)}
    assert {name for name in names if name.endswith(".py")} == modules | {
        "sluice/__init__.py",
        "sluice/__main__.py",
        "sluice/gunicorn.py",
    }
    assert [name for name in names if name.endswith((".mjs", ".pyc", ".md"))] == []


def python_files(top: str) -> Iterator[Path]:
    return (REPOSITORY / top).rglob("*.py")


def test_an_application_keeps_its_own_service_and_web_packages(server: GunicornServer) -> None:
    assert fetch(server.url, "/modules").json() == {
        "service": "the application: service",
        "web": "the application: web",
        "sluice": "sluice.web",
    }


def test_the_installed_page_is_served_with_its_libraries(server: GunicornServer) -> None:
    page = fetch(server.url, "/")
    assert page.status == 200
    version = re.search(r"static/([0-9a-f]{16})/bundle/main\.js", page.text)
    assert version
    for name in ("bundle/main.js", *LIBRARIES):
        assert fetch(server.url, f"/static/{version[1]}/{name}").status == 200, name
    assert "the page" not in server.log, "it lacks a library or its bundle"


def test_the_installed_package_streams_a_chat(server: GunicornServer) -> None:
    with stream_chat(server.url, message="Hello") as client:
        text, terminal = client.read_stream()
    assert "demo model" in text
    assert terminal.is_done


def test_the_public_names_can_be_imported_without_gunicorn_and_uvloop(application: Path) -> None:
    script = (
        "import sys\n"
        "sys.path[:0] = sys.argv[1:]\n"
        "sys.modules |= dict.fromkeys(['gunicorn', 'uvloop'])\n"  # as if they were not installed
        "import sluice\n"
        "from sluice import Bridge, LoopThread, create_app\n"
        "client = create_app().test_client()\n"
        "reply = client.post('/api/chat', json={'message': 'Hello', 'interaction_mode': 'block'})\n"
        "print(sluice.__file__, reply.status_code)"
    )
    site = application.with_name("site")
    printed = run(sys.executable, "-c", script, str(site), cwd=application).split()
    assert printed == [str(site / "sluice/__init__.py"), "200"]


def test_the_command_of_the_readme_serves_its_application(application: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(program("README.md", "app = Flask(__name__)"))
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (command,) = [block for block in blocks(readme) if "python:sluice.gunicorn" in block]
    environment = {"PYTHONPATH": application.with_name("site"), "SLUICE_DEMO_TOKENS_PER_SECOND": 5000}
    chat = b'{"message": "Hello", "interaction_mode": "stream"}'
    headers = {"Content-Type": "application/json"}
    with GunicornServer(environment, command=command.split(), ready_path="/assistant/", start_in=tmp_path) as running:
        answered = fetch(running.url, "/assistant/api/chat", method="POST", headers=headers, body=chat)
    # Where a frame ends depends on the machine.
    assert "demo model" in "".join(re.findall(r'"message": "(.*?)", "interaction_mode"', answered.text))
    assert '"done": true' in answered.text


def test_flasks_command_serves_the_page_in_an_empty_folder(application: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": application.with_name("site"), "SLUICE_DEMO_TOKENS_PER_SECOND": 5000}
    command = ("flask", "sluice", "run", "--port", "{port}")
    with GunicornServer(environment, command=command, start_in=tmp_path) as running:
        assert fetch(running.url, "/api/config").json()["demo"] is True
        running.wait_for_log(r"sluice\.web\.server\.worker\.SluiceWorker")


def test_the_command_says_what_to_install_where_gunicorn_is_missing(application: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.path.insert(0, sys.argv.pop(1))\n"
        "sys.modules['gunicorn'] = None\n"  # as if it were not installed
        "from sluice.web.cli.commands import main\n"
        "main()"
    )
    site = application.with_name("site")
    done = subprocess.run(
        [sys.executable, "-c", script, str(site), "run"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr == 'Error: gunicorn is not installed; `pip install "sluice[server]"` installs it.\n'


def test_the_lock_of_the_local_model_is_installed(application: Path) -> None:
    lock = application.with_name("site") / "sluice/service/local_model/lock.txt"
    assert lock.read_text() == (REPOSITORY / "locks/local.txt").read_text()
