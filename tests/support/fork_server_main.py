"""Forks processes that run a module of Python, with the packages that servers use imported: see `fork_server.py`.

A program of its own, not imported: nothing of the tests is in the processes that it makes.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys

# Most of what a worker has imported when it is ready. gunicorn and prometheus_client are not among it: they read
# variables then that servers have.
PACKAGES = (
    "aiohttp", "asyncio", "brotli", "concurrent.futures.thread", "dotenv", "flask", "httpx2", "janus",
    "logging.config", "msgspec", "multidict", "openai", "sqlite3", "yarl",
)  # fmt: skip


def import_packages() -> dict[str, str | None]:
    """Import the packages; return the variables that were read meanwhile."""
    read: dict[str, str | None] = {}
    environment_type = type(os.environ)
    get = environment_type.__getitem__

    def note(environment: "os._Environ[str]", name: str) -> str:
        read[name] = None
        read[name] = get(environment, name)
        return read[name]

    environment_type.__getitem__ = note
    for package in PACKAGES:
        __import__(package)
    environment_type.__getitem__ = get
    return read


def serve(connection: socket.socket) -> str:
    """Fork for each request until the connection ends.

    Returns:
        In a process that was made, the module that it is to run. The first process does not return.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: set[int] = set()
    while True:
        readable, _, _ = select.select([connection, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            for pid, status in ended():
                running.discard(pid)
                connection.send(json.dumps([pid, os.waitstatus_to_exitcode(status)]).encode())
        if connection not in readable:
            continue
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
        if not message:
            for pid in running:
                os.killpg(pid, signal.SIGKILL)
            sys.exit()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wake)
            connection.close()
            return become(json.loads(message), descriptors[0])
        running.add(pid)
        os.close(descriptors[0])
        connection.send(json.dumps([pid, None]).encode())


def ended() -> list[tuple[int, int]]:
    """Return the processes that have ended, and their statuses."""
    found = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status))


def become(asked: dict[str, object], output: int) -> str:
    """Make this process what `python -m` of the module would be, and return the module."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 256)
    os.chdir(str(asked["cwd"]))
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [os.getcwd(), *paths, *sys.path]
    arguments = asked["arguments"]
    assert isinstance(arguments, list)
    module, *sys.argv[1:] = arguments
    return str(module)


if __name__ == "__main__":
    # The folder of this file.
    del sys.path[0]
    channel = socket.socket(fileno=int(sys.argv[1]))
    variables = import_packages()
    # The collector of each process would look through all of it when that process ends.
    gc.freeze()
    channel.send(json.dumps(variables).encode())
    runpy.run_module(serve(channel), run_name="__main__", alter_sys=True)
