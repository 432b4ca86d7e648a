"""What `service/` leaves to others: the environment is passed in as settings."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.unit.project.test_imports import FILES, ROOT

# Names that read the environment, also those of functions that do so for their callers.
READERS = {
    "environ", "environb", "getenv", "getenvb",
    "getproxies", "getproxies_environment", "proxy_bypass",
    "expanduser", "expandvars", "home", "gettempdir", "mkdtemp", "mkstemp", "load_dotenv",
}  # fmt: skip


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
    assert {"web/__init__.py", "gunicorn.conf.py"} <= {file for file, names in found.items() if names}
