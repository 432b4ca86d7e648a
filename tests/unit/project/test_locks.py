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
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def pins(path: str) -> dict[str, str]:
    """Return the pins of a file by the names that the package index gives them."""
    found = PIN.findall((REPOSITORY / path).read_text())
    names = [re.sub(r"[-_.]+", "-", name).lower() for name, _ in found]
    assert len(set(names)) == len(names), path
    return dict(zip(names, (version for _, version in found), strict=True))


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


@pytest.mark.parametrize("path", SETS[("run", "tests", "examples", "bench")])
def test_each_package_that_is_asked_for_is_in_the_page_of_dependencies(path: str) -> None:
    rows = (REPOSITORY / "docs/reference/dependencies.md").read_text()
    assert [name for name, version in pins(path).items() if f"{name} {version}" not in rows] == []


def test_each_library_of_the_page_is_in_the_page_of_dependencies() -> None:
    package = json.loads((REPOSITORY / "package.json").read_text())
    rows = (REPOSITORY / "docs/reference/dependencies.md").read_text()
    libraries = package["dependencies"] | package["devDependencies"]
    assert [name for name, version in libraries.items() if f"{name} {version}" not in rows] == []


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "locks").iterdir()))
def test_a_lock_contains_only_packages_with_hashes(name: str) -> None:
    comment, *blocks = re.split(r"\n(?=\S)", (REPOSITORY / "locks" / name).read_text())
    assert comment.startswith("# Written by `make lock`")
    form = r"[a-z0-9-]+==[\w.]+( ; [^\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n?"
    assert [block for block in blocks if not re.fullmatch(form, block)] == []


def test_the_makefiles_own_tools_are_the_locked_ones() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for variable, lock in (("NODE_WHEEL", "node"), ("UV", "uv"), ("SETUPTOOLS", "build")):
        pin = re.search(rf"^{variable} := (\S+)==(\S+)$", makefile, re.MULTILINE)
        assert pin
        assert pins(f"locks/{lock}.txt")[pin[1]] == pin[2]


def test_every_npm_package_has_a_hash_and_no_url() -> None:
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert len(packages) > 5
    for name, package in packages.items():
        assert package.get("integrity", "").startswith("sha512-"), name
        assert "resolved" not in package, name
