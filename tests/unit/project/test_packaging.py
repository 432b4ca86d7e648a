"""The package's metadata: ranges that contain the tested versions, one version, only Pythons that are tested."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from packaging.requirements import Requirement

import sluice
from tools.common.gunicorn_server import REPOSITORY


def project() -> dict[str, Any]:
    metadata: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return metadata


def ranges() -> dict[str, Requirement]:
    """Return what the package and its extras require, by name."""
    extras = project()["optional-dependencies"].values()
    lines = [*project()["dependencies"], *(line for extra in extras for line in extra)]
    return {(requirement := Requirement(line)).name: requirement for line in lines}


def pins() -> dict[str, Requirement]:
    """Return the pins of requirements.txt, by name."""
    lines = (line.partition("#")[0].strip() for line in (REPOSITORY / "requirements.txt").read_text().splitlines())
    return {(requirement := Requirement(line)).name: requirement for line in lines if line and line[0] != "-"}


def test_every_pinned_version_lies_in_the_range_that_the_package_requires() -> None:
    assert pins().keys() == ranges().keys()
    for name, pin in pins().items():
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert ranges()[name].specifier.contains(specifier.version), name
        assert str(ranges()[name].marker) == str(pin.marker), name


def test_every_range_has_an_upper_bound() -> None:
    for name, requirement in ranges().items():
        assert any(specifier.operator == "<" for specifier in requirement.specifier), name


def test_the_version_is_written_in_one_file() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", sluice.__version__)
    assert project()["dynamic"] == ["version"]
    assert "version" not in project()
    assert "version" not in json.loads((REPOSITORY / "package.json").read_text())
