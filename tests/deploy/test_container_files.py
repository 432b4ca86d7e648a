"""Dockerfile, .dockerignore and compose.yaml: what can be read off them without a builder."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.service.settings.names import warn_of_unused_names
from sluice.service.settings.settings import Settings
from tests.deploy.dockerfile import DOCKERFILE, Stage, read_stages
from tests.deploy.front_container import ADDRESS, adapted_config
from tools.common.gunicorn_server import REPOSITORY

STAGES = read_stages()
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def sources(stage: Stage) -> list[str]:
    """Return what a stage copies from the repository."""
    copies = [value.split() for value in stage.values("COPY") if not value.startswith("--from=")]
    return [source for words in copies for source in words[:-1]]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file go to the builder: the last line that matches it, or a folder above it."""
    sent = True
    names = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").rstrip("/")
        if not pattern or pattern.startswith("#"):
            continue
        # `**/` also means no folder at all.
        forms = (pattern, pattern.removeprefix("**/"))
        if any(fnmatch.fnmatchcase(name, form) for name in names for form in forms):
            sent = line.startswith("!")
    return sent


def test_the_images_are_pinned_by_a_version_and_a_digest() -> None:
    form = r"docker\.io/library/[a-z]+:\d+\.\d+\.\d+-[a-z-]+@sha256:[0-9a-f]{64}"
    assert {stage.image for stage in STAGES.values() if not re.fullmatch(form, stage.image)} == set()
    # Its programs name the interpreter by its path.
    assert STAGES["build"].image == STAGES["sluice"].image


def test_the_image_has_the_python_that_the_tests_run_on() -> None:
    (version,) = re.findall(
        r"Python :: (3\.\d+)$", (REPOSITORY / "pyproject.toml").read_text().replace('",', ""), re.M
    )
    assert STAGES["sluice"].image.startswith(f"docker.io/library/python:{version}.")


def test_packages_are_installed_with_their_hashes_and_nothing_is_compiled() -> None:
    runs = STAGES["build"].values("RUN")
    installs = [run for run in runs if "pip" in run and " install " in run]
    assert len(installs) == 3
    for run in installs:
        is_own = "--no-index --no-deps /dist/" in run
        assert is_own or "--require-hashes --only-binary :all: -r locks/" in run
    assert "npm ci --ignore-scripts --omit=dev" in runs
    text = DOCKERFILE.read_text()
    assert [
        word for word in ("curl ", "wget ", "ADD ", "apt-get") if re.search(rf"^(RUN )?.*\b{word}", text, re.M)
    ] == []


@pytest.mark.parametrize("name", ["sluice", "front"])
def test_a_container_runs_as_a_number_that_is_not_root(name: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", STAGES[name].value("USER"))


def test_command_and_health_check_need_no_shell() -> None:
    stage = STAGES["sluice"]
    assert list(STAGES)[-1] == "sluice", "`docker build .` makes the last stage"
    assert stage.command[0] == "python"
    program, option, source = stage.health_check
    assert (program, option) == ("python", "-c")
    compile(source, "health check", "exec")


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_copies_is_in_the_repository_and_goes_to_the_builder(name: str) -> None:
    for source in sources(STAGES[name]):
        assert (REPOSITORY / source).exists(), source
        assert is_sent(source.rstrip("/")), source


def test_all_that_the_wheel_is_made_of_is_copied_and_no_secret_is_sent() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "sluice", "service", "web"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    copied = [source.rstrip("/") for source in sources(STAGES["build"])]
    for path in listed:
        assert is_sent(path), path
        assert any(path == source or path.startswith(f"{source}/") for source in copied), path
    for path in (
        ".env", "web/.env", "secrets/openai_api_key", ".git/config", "node_modules/marked/package.json", "build/x",
        "web/static/vendor/marked.js", "service/__pycache__/a.pyc", ".venv/bin/python", "tests/conftest.py",
    ):  # fmt: skip
        assert not is_sent(path), path


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_write_and_do_nothing_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["build"]["target"] == name
    assert name in STAGES
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["stop_grace_period"].removesuffix("s")) > 2 * Settings().limits.graceful_timeout


def test_the_settings_of_the_service_fit_together() -> None:
    # What Compose puts in where a variable is not set.
    environment = {
        name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value))
        for name, value in SERVICES["sluice"]["environment"].items()
    }
    assert "OPENAI_API_KEY" not in environment
    assert environment.pop("OPENAI_API_KEY_FILE") == f"/run/secrets/{SERVICES['sluice']['secrets'][0]}"
    assert SERVICES["sluice"]["secrets"] == list(COMPOSE["secrets"])
    settings = Settings.load(environment)
    assert settings.contradictions() == []
    assert warn_of_unused_names(environment, {}, settings) == []
    assert settings.server.trusted_proxies == 1
    assert settings.server.allowed_hosts == ("localhost", "sluice")


def test_only_nginx_is_published_and_it_asks_the_address_of_the_service() -> None:
    assert "ports" not in SERVICES["sluice"]
    (port,) = SERVICES["front"]["ports"]
    assert port.startswith("127.0.0.1:")
    inside = port.rpartition(":")[2]
    assert STAGES["front"].value("EXPOSE") == inside
    assert f"listen {inside};" in adapted_config()
    assert f"default {ADDRESS};" in adapted_config()
    assert f"sluice:{SERVICES['sluice']['environment']['PORT']}" == ADDRESS
    (volume,) = SERVICES["front"]["volumes"]
    kept = volume.partition(":")[2]
    paths = re.findall(r"_path (/[^ ;]+)", adapted_config())
    assert len(paths) == 6
    assert [path for path in paths if not path.startswith(f"{kept}/")] == []
    assert f"mkdir -p {kept} && chown {STAGES['front'].value('USER')} {kept}" in STAGES["front"].value("RUN")
    # Both are told to stop at once, and nginx passes on what Sluice drains.
    assert STAGES["front"].value("STOPSIGNAL") == "SIGQUIT"
    # Else nginx would be stopped first, and wait for answers that nobody has told to end.
    assert "depends_on" not in SERVICES["front"]
