"""The locks: for each set of packages every version once, with the hashes of its files, and no index to ask."""

from __future__ import annotations

import json
import re

import pytest

from tools.common.gunicorn_server import REPOSITORY

HELPDESK = "examples/helpdesk/requirements.txt"
# The sets that are installed together, as in the Makefile, and what is asked for in each.
SETS = {
    ("run",): ["requirements.txt"],
    ("run", "load"): ["requirements.txt"],
    ("run", "tests"): ["requirements.txt", "tests/requirements.txt"],
    ("run", "tests", "examples"): ["requirements.txt", "tests/requirements.txt", HELPDESK],
    ("run", "tests", "examples", "bench"): [
        "requirements.txt",
        "tests/requirements.txt",
        HELPDESK,
        "tools/bench/requirements.txt",
    ],
}
# Installed apart from all others, in versions of its own.
CLIENTS = "tests/clients/requirements.txt"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;]+)", re.MULTILINE)


def pinned(path: str) -> list[tuple[str, str]]:
    """Return the pins of a file: names as the package index gives them, and versions."""
    found = PIN.findall((REPOSITORY / path).read_text())
    return [(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found]


def pins(path: str) -> dict[str, str]:
    """Return the pins of a file that has one of each name."""
    found = pinned(path)
    assert len(dict(found)) == len(found), path
    return dict(found)


@pytest.mark.parametrize("parts", SETS, ids="+".join)
def test_a_set_holds_what_is_asked_for_in_the_versions_of_the_constraints(parts: tuple[str, ...]) -> None:
    constraints, locked = pins("constraints.txt"), {}
    for part in parts:
        more = pins(f"locks/{part}.txt")
        assert not more.keys() & locked.keys()
        locked |= more
    assert locked.items() <= constraints.items()
    for path in SETS[parts]:
        assert pins(path).items() <= locked.items(), f"{path} has changed: `make lock`"


def test_the_lock_of_clients_has_what_is_asked_for() -> None:
    # Of a package there may be two versions, for older and for newer Pythons.
    assert pins(CLIENTS).items() <= set(pinned("locks/clients.txt")), f"{CLIENTS} has changed: `make lock`"


@pytest.mark.parametrize("path", [*SETS[("run", "tests", "examples", "bench")], CLIENTS])
def test_each_package_that_is_asked_for_is_in_the_page_of_dependencies(path: str) -> None:
    rows = (REPOSITORY / "docs/reference/dependencies.md").read_text()
    assert [name for name, version in pins(path).items() if f"{name} {version}" not in rows] == []


@pytest.mark.parametrize("folder", [".", "tests/clients"])
def test_each_npm_package_that_is_asked_for_is_in_the_page_of_dependencies(folder: str) -> None:
    package = json.loads((REPOSITORY / folder / "package.json").read_text())
    rows = (REPOSITORY / "docs/reference/dependencies.md").read_text()
    asked = package["dependencies"] | package.get("devDependencies", {})
    # A second release of a package has a name of its own: `npm:name@version`.
    parts = [pin[4:].rpartition("@") if pin.startswith("npm:") else (name, "@", pin) for name, pin in asked.items()]
    assert [name for name, _, version in parts if f"{name} {version}" not in rows] == []


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "locks").iterdir()))
def test_a_lock_contains_only_packages_with_hashes(name: str) -> None:
    comment, *blocks = re.split(r"\n(?=\S)", (REPOSITORY / "locks" / name).read_text())
    assert comment.startswith("# Written by `make lock`")
    form = r"[a-z0-9-]+==[\w.]+( ; [^\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n?"
    assert [block for block in blocks if not re.fullmatch(form, block)] == []


def test_the_makefiles_own_tools_are_the_locked_ones() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for variable, lock in (
        ("NODE_WHEEL", "node"),
        ("UV", "uv"),
        ("SETUPTOOLS", "build"),
        ("AIPERF", "aiperf"),
    ):
        pin = re.search(rf"^{variable} := (\S+)==(\S+)$", makefile, re.MULTILINE)
        assert pin
        assert (pin[1], pin[2]) in pinned(f"locks/{lock}.txt")


@pytest.mark.parametrize("folder", [".", "tests/clients"])
def test_every_npm_package_has_a_hash_and_no_url(folder: str) -> None:
    packages = json.loads((REPOSITORY / folder / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert len(packages) > 5
    for name, package in packages.items():
        assert package.get("integrity", "").startswith("sha512-"), name
        assert "resolved" not in package, name
