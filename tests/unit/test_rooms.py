"""Who may import whom. Every walk of a message stays readable as long as these hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((ROOT / "service").glob("**/*.py")),
    *sorted((ROOT / "web").glob("**/*.py")),
    ROOT / "wsgi.py",
    ROOT / "gunicorn.conf.py",
]


def imports(file: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, wherever in it; relative ones made absolute."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def importers(package: str) -> set[str]:
    return {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name == package or name.startswith(f"{package}.") for name in imports(file))
    }


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after the statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_the_scan_sees_every_kind_of_import() -> None:
    assert "service.errors" in set(imports(ROOT / "service" / "admission.py"))
    assert "service.loop.LoopThread" in set(imports(ROOT / "service" / "bridge.py"))
    assert "uvloop" in set(imports(ROOT / "service" / "loop.py"))
    assert len(FILES) > 20


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("openai", {"service/request.py"}),
        ("janus", {"service/bridge.py"}),
        (
            "gunicorn",
            {
                "web/gathering_worker.py",
                "web/launch.py",
                "web/request_parser.py",
                "web/worker.py",
                "web/worker_connection.py",
                "web/wsgi_input.py",
            },
        ),
        ("uvloop", {"service/loop.py"}),
        ("dotenv", {"service/setting_sources.py"}),
    ],
)
def test_a_package_is_known_in_one_room_only(package: str, rooms: set[str]) -> None:
    assert importers(package) - {"gunicorn.conf.py"} == rooms


def test_the_service_knows_nothing_of_the_web() -> None:
    for package in ("flask", "werkzeug", "gunicorn", "web", "wsgi"):
        assert not [file for file in importers(package) if file.startswith("service/")]


def test_the_loop_imports_the_standard_library_alone_except_uvloop_where_it_is_chosen() -> None:
    tree = ast.parse((ROOT / "service" / "loop.py").read_text())
    at_the_top = {name.partition(".")[0] for node in tree.body for name in _names(node)}
    everywhere = {name.partition(".")[0] for node in ast.walk(tree) for name in _names(node)}
    assert at_the_top <= sys.stdlib_module_names
    assert everywhere - at_the_top == {"uvloop"}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def test_a_fresh_interpreter_that_imports_the_service_has_no_flask() -> None:
    loaded = loaded_by("import service, service.chat, service.bridge, service.demo, service.settings")
    assert {"service", "openai", "janus"} <= loaded
    assert not loaded & {"flask", "werkzeug", "gunicorn", "web"}


def test_importing_the_service_alone_or_the_settings_loads_no_client() -> None:
    # gunicorn's master imports the settings and the log format, and lives for as long as the server.
    for statement in ("import service", "import service.settings, service.logs"):
        loaded = loaded_by(statement)
        assert "service" in loaded
        assert not loaded & {"openai", "aiohttp", "httpx2", "janus", "uvloop", "asyncio"}


def test_every_public_name_of_the_service_can_be_had() -> None:
    import service

    for name in service.__all__:
        assert getattr(service, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        service.Nonsense  # noqa: B018


def test_every_room_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [str(file.relative_to(ROOT)) for file in FILES if f"`{file.name}`" not in page] == []
