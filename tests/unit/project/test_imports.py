"""Who may import whom: between the folders of the package, and which file may import a third-party package."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = [
    *sorted((ROOT / "service").glob("**/*.py")),
    *sorted((ROOT / "web").glob("**/*.py")),
    *sorted((ROOT / "sluice").glob("*.py")),
    ROOT / "wsgi.py",
    ROOT / "gunicorn.conf.py",
]
# Folder, or module that lies in none -> the others of its half that it imports. The lowest layer first.
SERVICE = {
    "service.excerpts": set(),
    "service.errors": {"excerpts"},
    "service.message": set(),
    "service.past_calls": {"message"},
    "service.concurrency": set(),
    "service.demo": set(),
    "service.local_model": set(),
    "service.settings": set(),
    "service.chat": {"message", "past_calls", "settings"},
    "service.events": {"errors"},
    "service.failures": {"errors", "excerpts"},
    "service.observability": {"events", "excerpts"},
    "service.decoding": {"errors", "events", "failures"},
    "service.runs": {"chat", "concurrency", "errors", "events", "observability", "settings"},
    "service.provider": {
        "runs",
        "chat",
        "concurrency",
        "decoding",
        "errors",
        "events",
        "failures",
        "message",
        "observability",
        "settings",
    },
    "service.tools": {"chat", "errors", "events", "message", "observability", "runs", "settings"},
    "service.stored_runs": {"concurrency", "errors", "events", "observability", "runs", "settings", "tools"},
    "service.service": {
        "chat",
        "concurrency",
        "demo",
        "errors",
        "events",
        "observability",
        "provider",
        "runs",
        "settings",
        "stored_runs",
        "tools",
    },
    "service": {"chat", "concurrency", "runs", "service", "settings"},
}
WEB = {
    "web.request_errors": set(),
    "web.encoders": {"request_errors"},
    "web.sockets": set(),
    "web.security": {"request_errors"},
    "web.routing": set(),
    "web.foreign_servers": set(),
    "web.replies": {"encoders", "foreign_servers"},
    "web.app_config": set(),
    "web.hooks": {"security"},
    "web.hook_types": {"hooks"},
    "web.hidden_rules": set(),
    "web.extension_state": {"hidden_rules", "hooks", "security", "sockets"},
    "web.api": {"encoders", "extension_state", "hooks", "replies", "request_errors", "security", "sockets"},
    "web.ai_sdk": {"api", "encoders", "extension_state", "request_errors", "security"},
    "web.openai_api": {"api", "encoders", "extension_state", "request_errors", "security"},
    "web.openapi": {"ai_sdk", "api", "extension_state", "openai_api", "request_errors"},
    "web.page": {"api", "extension_state", "routing", "security"},
    "web.doctor": {"extension_state", "page"},
    "web.cli": {"app_config", "doctor", "encoders", "security"},
    "web.blueprint": {"ai_sdk", "api", "extension_state", "openai_api", "openapi", "page", "security"},
    "web.extension": {
        "api",
        "app_config",
        "blueprint",
        "cli",
        "extension_state",
        "foreign_servers",
        "hook_types",
        "hooks",
        "page",
        "replies",
        "security",
    },
    "web": {
        "api",
        "blueprint",
        "cli",
        "extension_state",
        "foreign_servers",
        "page",
        "replies",
        "routing",
        "security",
    },
    "web.services": {"extension_state"},
    "web.intake": {"api"},
    "web.master": {"intake", "services"},
    "web.server": {"intake", "master", "replies", "security", "services", "sockets"},
}


def module_of(file: Path) -> str:
    """Return a file's module, without the `sluice` before it."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file) for file in FILES}


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Return the full names of what a file imports, wherever in it; relative ones made absolute, below `sluice`."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    package = ("sluice", *file.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def importers(package: str) -> set[str]:
    """Return the files that import a package."""
    return {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name == package or name.startswith(f"{package}.") for name in imports(file))
    }


def folder_of(module: str) -> str:
    """Return the folder that a module lies in, or the module itself where it lies in none."""
    return ".".join(module.split(".")[:2])


def imported_folders(half: str) -> dict[str, set[str]]:
    """Return for each folder of `service` or `web` the other folders of the same half that it imports."""
    found: dict[str, set[str]] = {}
    for file in FILES:
        module = module_of(file)
        if module.split(".")[0] != half:
            continue
        here = folder_of(module)
        others = found.setdefault(here, set())
        for name in imports(file):
            inner = name.removeprefix("sluice.")
            while inner and inner not in MODULES:
                inner = inner.rpartition(".")[0]
            there = folder_of(inner)
            if there.startswith(f"{half}.") and there != here:
                others.add(there.removeprefix(f"{half}."))
    return found


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after the statement, and the packages they are of."""
    script = f"{statement}\nimport sys\nprint(*sys.modules, *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_the_scan_sees_every_kind_of_import() -> None:
    runs = set(imports(ROOT / "service" / "runs" / "concurrency_limit.py"))
    assert "sluice.service.errors" in runs
    bridge = set(imports(ROOT / "service" / "concurrency" / "bridge.py"))
    assert "sluice.service.concurrency.event_loop_thread.LoopThread" in bridge
    assert "uvloop" in set(imports(ROOT / "service" / "concurrency" / "event_loop_thread.py"))
    assert len(FILES) > 50


@pytest.mark.parametrize(("half", "allowed"), [("service", SERVICE), ("web", WEB)])
def test_folders_import_each_other_as_listed_and_in_no_other_way(half: str, allowed: dict[str, set[str]]) -> None:
    assert imported_folders(half) == allowed


@pytest.mark.parametrize(("half", "allowed"), [("service", SERVICE), ("web", WEB)])
def test_a_folder_imports_lower_layers_only(half: str, allowed: dict[str, set[str]]) -> None:
    layers = list(allowed)
    upwards = [
        (folder, other)
        for folder, others in allowed.items()
        for other in others
        if layers.index(f"{half}.{other}") >= layers.index(folder)
    ]
    assert upwards == []


@pytest.mark.parametrize(
    ("package", "files"),
    [
        ("openai", {"service/provider/request.py"}),
        ("janus", {"service/concurrency/bridge.py", "service/runs/thread_reader.py"}),
        ("gunicorn", {"web/intake/gunicorn_internals.py"}),
        ("uvloop", {"service/concurrency/event_loop_thread.py"}),
        ("click", {"web/cli/commands.py", "web/cli/environment.py", "web/cli/runs_command.py"}),
        ("xllamacpp", {"service/local_model/server.py"}),
        ("dotenv", {"service/settings/sources/dotenv_file.py"}),
        ("redis", {"service/runs/stores/redis_client.py"}),
    ],
)
def test_a_package_is_imported_by_the_listed_files_only(package: str, files: set[str]) -> None:
    assert importers(package) == files


def test_the_service_imports_nothing_of_the_web() -> None:
    for package in ("flask", "werkzeug", "gunicorn", "sluice.web", "wsgi"):
        assert not [file for file in importers(package) if file.startswith("service/")]


def test_encoders_depend_on_their_arguments_alone() -> None:
    # No Flask, no clock, no context variable and no log, so that any process can encode any run's events again.
    allowed = (
        "sluice.web.encoders",
        "sluice.service.decoding",  # without I/O: test_no_io.py
        "sluice.service.errors",
        "sluice.service.events",
        "sluice.web.request_errors",
        "msgspec",
    )
    allowed += ("__future__", "collections.abc", "itertools", "json", "re", "typing")
    found = {name for file in (ROOT / "web" / "encoders").glob("*.py") for name in imports(file)}
    assert [name for name in found if not f"{name}.".startswith(tuple(f"{each}." for each in allowed))] == []


def test_nothing_imports_service_or_web_as_top_level_packages() -> None:
    # A module that is loaded under two names is two modules.
    folders = [*FILES, *(ROOT / "tools").glob("**/*.py"), *(ROOT / "tests").glob("**/*.py")]
    found = [(str(file.relative_to(ROOT)), name) for file in folders for name in imports(file)]
    assert [(file, name) for file, name in found if name.partition(".")[0] in ("service", "web")] == []


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {f"sluice.{module_of(file)}" for file in FILES if file.name == "__init__.py"} - {"sluice.sluice"}
    assert set(listed) == found | {"sluice"}


def test_no_folder_holds_one_module_only() -> None:
    counts: dict[Path, int] = {}
    for file in FILES:
        # `service` and `web` belong to `sluice` too.
        if file.name != "__init__.py" and file.parent.name != "sluice":
            counts[file.parent] = counts.get(file.parent, 0) + 1
    assert [str(folder.relative_to(ROOT)) for folder, count in counts.items() if count < 2] == []


def test_the_concurrency_folder_can_be_copied_and_imports_uvloop_only_where_it_is_chosen() -> None:
    folder = ROOT / "service" / "concurrency"
    for file in folder.glob("*.py"):
        tree = ast.parse(file.read_text())
        at_the_top = {name.partition(".")[0] for node in tree.body for name in _names(node)}
        everywhere = {name.partition(".")[0] for node in ast.walk(tree) for name in _names(node)}
        # A relative import of the same folder has an empty first part; one of a parent begins with two dots.
        outside = at_the_top - sys.stdlib_module_names - {""}
        assert outside == ({"janus"} if file.name == "bridge.py" else set())
        assert everywhere - at_the_top == ({"uvloop"} if file.name == "event_loop_thread.py" else set())
        assert not [name for node in ast.walk(tree) for name in _names(node) if name.startswith("..")]


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def test_a_fresh_interpreter_that_imports_the_service_has_no_flask() -> None:
    loaded = loaded_by("from sluice.service import Bridge, ChatService, Settings")
    assert {"sluice.service.service", "openai", "janus"} <= loaded
    assert not loaded & {"flask", "werkzeug", "gunicorn", "sluice.web"}


@pytest.mark.parametrize(
    "statement",
    [
        "import sluice",
        "import sluice.service",
        "import sluice.service.settings.settings, sluice.service.observability.logging",
    ],
)
def test_importing_the_package_or_the_settings_loads_no_client(statement: str) -> None:
    # gunicorn's master imports the settings and the log format, and lives for as long as the server.
    loaded = loaded_by(statement)
    assert "sluice" in loaded
    assert not loaded & {"openai", "aiohttp", "httpx2", "janus", "uvloop", "asyncio"}


@pytest.mark.parametrize("module", ["sluice.web.server.cpu_affinity", "sluice.web.intake.gunicorn_internals"])
def test_what_gunicorns_master_loads_brings_nothing_of_the_application(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module in loaded
    packages = {"sluice", "sluice.web", module.rpartition(".")[0]}
    assert {name for name in loaded if name.startswith("sluice")} == {module, *packages}
    assert not loaded & {"flask", "werkzeug", "openai", "aiohttp", "janus"}


def test_every_public_name_can_be_imported() -> None:
    import sluice
    from sluice import service

    for package in (sluice, service):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
            package.Nonsense  # noqa: B018
