"""What `service/` leaves to others: the environment is passed in as settings, and HTTP statuses are `web/`'s."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.unit.project.test_imports import FILES, ROOT, imports

# Names that read the environment, also those of functions that do so for their callers.
READERS = {
    "environ", "environb", "getenv", "getenvb",
    "getproxies", "getproxies_environment", "proxy_bypass",
    "expanduser", "expandvars", "home", "gettempdir", "mkdtemp", "mkstemp", "load_dotenv",
}  # fmt: skip

# What speaks HTTP with the provider: statuses are read there, or answered by the demo model in the provider's place.
PROVIDER_SIDE = {"decoding", "demo", "failures", "provider"}


def environment_readers(file: Path) -> list[str]:
    """Return the names in a file that read the environment; a parameter named `environ` is a value passed in."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in READERS:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            found += [name.name for name in node.names if name.name in READERS]
    return found


def test_the_service_reads_no_environment_variable() -> None:
    found = {str(file.relative_to(ROOT)): environment_readers(file) for file in FILES}
    assert {file: names for file, names in found.items() if names and file.startswith("service/")} == {}
    assert {"web/__init__.py", "web/master/configuration.py"} <= {file for file, names in found.items() if names}


def statuses(file: Path) -> list[str]:
    """Return what a file says of HTTP statuses: numbers of errors, and parameters and attributes of that name."""
    source = file.read_text()
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            # As written: 0o666 is the mode of a file.
            case ast.Constant(value=int(number)) if 400 <= number < 600:
                found += re.findall(r"^\d+$", ast.get_source_segment(source, node) or "")
            case ast.arg(arg=name) | ast.keyword(arg=name) | ast.Attribute(attr=name) if name == "status":
                found.append(ast.unparse(node))
            case ast.alias(name="http" | "HTTPStatus" | "http.client"):
                found.append(node.name)
    return found


def test_the_service_knows_no_http_status_of_its_own_clients() -> None:
    ours = [file for file in FILES if file.is_relative_to(ROOT / "service")]
    files = [file for file in ours if file.parent.name not in PROVIDER_SIDE]
    assert {str(file.relative_to(ROOT)): found for file in files if (found := statuses(file))} == {}
    assert len(files) > 20
    assert statuses(ROOT / "web" / "request_errors.py")


def test_the_bridge_uses_public_names_of_janus() -> None:
    tree = ast.parse((ROOT / "service" / "concurrency" / "bridge.py").read_text())
    private = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    assert len(private) > 10
    assert {ast.unparse(node.value) for node in private} == {"self"}
    # Names for `getattr` and the like.
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if text.startswith("_")] == []
    imported = [name for name in imports(ROOT / "service" / "concurrency" / "bridge.py") if name.startswith("janus")]
    assert imported
    assert [name for name in imported if "._" in name] == []
