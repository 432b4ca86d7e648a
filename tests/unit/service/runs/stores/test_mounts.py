"""A store in a file is refused on file systems that several machines mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluice.service.runs.stores import mounts
from sluice.service.runs.stores.base import StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore


def mount_as(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel's list say that a folder's file system is of a kind."""
    device = os.stat(folder).st_dev
    listed = folder / "mountinfo"
    listed.write_text(
        "21 26 0:19 / /sys rw,nosuid - sysfs sysfs rw\n"
        f"36 35 {os.major(device)}:{os.minor(device)} / /srv rw,noatime master:1 shared:7 - {kind} host:/srv rw\n"
        "40 35 0:999 / /other rw - nfs4 host:/other rw\n"
    )
    monkeypatch.setattr(mounts, "MOUNTS", listed)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
async def test_a_file_on_a_network_file_system_is_refused_with_the_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mount_as(kind, tmp_path, monkeypatch)
    with pytest.raises(StoreUnavailable, match=rf"network file system \({kind}\).* name a file on a local disk"):
        await SqliteStore(tmp_path / "runs.db").open(lambda run_id: None)
    assert not (tmp_path / "runs.db").exists()


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs", "fuse.other"])
def test_other_file_systems_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mount_as(kind, tmp_path, monkeypatch)
    assert mounts.network_file_system(tmp_path) == ""


def test_this_machines_list_can_be_read_and_a_missing_one_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mounts.network_file_system(Path("/proc")) == ""
    assert len(mounts.MOUNTS.read_text()) > 0
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "none")
    assert mounts.network_file_system(tmp_path) == ""
