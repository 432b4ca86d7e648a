"""Directories that cannot be written, at the start and later: a worker's heartbeat file is made in another one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tools.common.gunicorn_server import GunicornServer

# Root may write everywhere but on what is mounted read-only, or has no space for a further file.
MOUNTS = {"read-only": "ro", "full": "nr_inodes=1"}


def mounted(*lines: str) -> list[str]:
    """Return a launcher that runs these lines in a mount namespace of its own, and then the command."""
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False, timeout=10)
    if probe.returncode:
        pytest.skip("this user may make no mount namespace: a directory that cannot be written cannot be shown")
    return ["unshare", "--mount", "sh", "-c", "\n".join(["set -e", *lines, 'exec "$@"']), "sh"]


@pytest.mark.parametrize("options", MOUNTS.values(), ids=MOUNTS)
def test_a_server_starts_where_the_directory_in_memory_cannot_be_used(options: str) -> None:
    launcher = mounted(f"mount -t tmpfs -o {options} tmpfs /dev/shm")
    with GunicornServer(launcher=launcher) as server:
        said = server.wait_for_log(r"WARNING sluice.gunicorn .*")[0]
        assert "the workers' heartbeat files are in /tmp, as another directory cannot be used: /dev/shm: " in said
    assert "Traceback" not in server.log


def test_a_directory_that_becomes_read_only_keeps_no_worker_from_being_replaced() -> None:
    launcher = mounted("mount -t tmpfs tmpfs /dev/shm")
    with GunicornServer(launcher=launcher) as server:
        (worker,) = server.worker_pids()
        # Over the old one, as the worker's open file keeps that from being made read-only.
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/dev/shm"]
        subprocess.run(["nsenter", "--target", str(server.pid), "--mount", *mount], check=True, timeout=10)
        os.kill(worker, signal.SIGKILL)
        server.wait_workers(1, without=[worker])
        server.wait_ready()
        server.wait_for_log(r"the next worker's heartbeat file is in /tmp: /dev/shm: Read-only file system")
    assert "Traceback" not in server.log


def test_a_server_that_can_make_no_file_says_so_and_does_not_start() -> None:
    directories = ("/dev/shm", "/var/tmp", "/run", "/tmp")
    launcher = mounted(
        *(f"mount --bind {path} {path}; mount -o remount,bind,ro {path}" for path in directories), "cd /proc"
    )
    server = GunicornServer(launcher=launcher)
    with pytest.raises(AssertionError, match="TMPDIR should name a directory that can be written"):
        server.start()
    assert "Traceback" not in server.log
