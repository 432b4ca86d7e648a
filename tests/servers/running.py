"""Runs a server of the matrix with a scripted model behind it."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.rows import Row
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

#: Seconds between heartbeats, more than a disconnect that is seen at once may take.
HEARTBEAT = 0.4
DRAIN = 0.5


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def serving(row: Row, model: ScriptedModel) -> Iterator[GunicornServer]:
    """Run a server, ready, with a folder that any user may read."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-servers-"))
    try:
        folder.chmod(0o755)
        port = 0
        if row.prepare is not None:
            port = free_port()
            row.prepare(folder, port)
        env = {
            "PYTHONPATH": str(REPOSITORY),
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url,
            "SLUICE_HEARTBEAT_INTERVAL": HEARTBEAT,
            "SLUICE_DRAIN_TIMEOUT": DRAIN,
        }
        command = [part.replace("{folder}", str(folder)) for part in row.command]
        with GunicornServer(env, command=command, port=port, start_in=folder) as server:
            yield server
    finally:
        shutil.rmtree(folder)
