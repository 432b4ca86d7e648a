"""The server as a container of the Dockerfile runs it, by hand-made namespaces: needs no builder and no daemon."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tools.common.gunicorn_server import REPOSITORY, GunicornServer, processes

from .dockerfile import read_stages

# The interpreter may be in a home that others may not enter. So it is mounted elsewhere, with its packages and the
# code.
_MOUNTED: Final = {
    "/mnt/sluice": str(REPOSITORY),
    "/mnt/packages": sysconfig.get_path("purelib"),
    "/mnt/python": sys.base_prefix,
}
_PYTHON: Final = f"/mnt/python/{Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve())}"
_VARIABLES: Final = {
    "PYTHONPATH": "/mnt/sluice:/mnt/packages",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_LIBRARY_PATH": "/mnt/python/lib",
}
#: Nothing of the host can be written, but for what a container has in memory.
_MOUNTS: Final = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/app
{binds}
mount -t tmpfs -o ro tmpfs /var/tmp
mount -t tmpfs -o ro tmpfs /run
{more}
mount -o remount,ro /mnt
mount -o remount,bind,ro /
cd /mnt/app
shift # the interpreter of the tests
exec setpriv --reuid {uid} --regid {gid} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
    env -u HOME -u USER "$0" "$@"
"""
MEMORY: Final = "mount -t tmpfs -o size=16m,mode=1777 tmpfs {}"
READ_ONLY: Final = "mount -t tmpfs -o ro tmpfs {}"


class Container(GunicornServer):
    """Run the command of the Dockerfile as process 1: with its user and its variables, on a read-only root.

    `pid` is the process that made the namespaces; it ends as process 1 does, with its exit code.

    Args:
        env: Variables beside those of the Dockerfile.
        mounts: Commands that mount `/tmp` and `/dev/shm`.
        launcher: What runs all of it, such as `taskset` with its arguments.
    """

    def __init__(
        self, env: dict[str, object] | None = None, *, mounts: Sequence[str] = (), launcher: Sequence[str] = ()
    ) -> None:
        skip_without_namespaces()
        stage = read_stages()["sluice"]
        uid, gid = stage.value("USER").split(":")
        binds = [
            f"mkdir {target}; mount --bind {shlex.quote(source)} {target}; mount -o remount,bind,ro {target}"
            for target, source in _MOUNTED.items()
        ]
        script = _MOUNTS.format(binds="\n".join(binds), more="\n".join(mounts), uid=uid, gid=gid)
        variables = {name: value for name, value in stage.environment.items() if name not in ("PATH", "PORT")}
        program, *arguments = stage.command
        assert program == "python"
        super().__init__(
            {**variables, **_VARIABLES, **(env or {})},
            command=("python", *arguments),
            launcher=[*launcher, *NAMESPACES, "sh", "-c", script, _PYTHON],
        )

    def master_pids(self) -> list[int]:
        """Return process 1, by its number outside."""
        return self.worker_pids(self.pid)

    def worker_pids(self, master: int | None = None) -> list[int]:
        """Return the workers, by their numbers outside."""
        parents = [master] if master is not None else self.master_pids()
        return sorted(found.pid for found in self.group() if found.parent in parents)

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as `docker exec` does; `python` is the interpreter."""
        (init,) = self.master_pids()
        words = [_PYTHON if word == "python" else word for word in command]
        given = {"PATH": "/usr/bin:/bin", "PORT": str(self.port), **_VARIABLES, **env}
        variables = ["env", "-i", *(f"{name}={value}" for name, value in given.items())]
        enter = ["nsenter", "--target", str(init), "--mount", "--pid", *variables]
        return subprocess.run([*enter, *words], capture_output=True, text=True, timeout=20, check=False)

    def terminate(self) -> None:
        """Send process 1 the signal of `docker stop`."""
        (init,) = self.master_pids()
        subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(init)], check=True)

    def children_of_init(self) -> dict[str, int]:
        """Return how many children process 1 has in each state, zombies included."""
        (init,) = self.master_pids()
        states = [found.state for found in processes() if found.parent == init]
        return {state: states.count(state) for state in states}


NAMESPACES: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def skip_without_namespaces() -> None:
    """Skip the test where this user may make no namespaces."""
    probe = subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False, timeout=10)
    if probe.returncode:
        pytest.skip("unchecked: this user may make no namespaces, which containers are made of; root may")
