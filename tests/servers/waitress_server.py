"""waitress with a drain, as docs/reference/servers.md shows it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from waitress.server import create_server

from tests.servers.application import app, sluice


def end_process() -> None:
    sluice.close(app, drain=0.5)
    os.kill(os.getpid(), signal.SIGINT)


def end(*_: Any) -> None:
    # Not in the signal's handler: the main thread sends what the streams write.
    threading.Thread(target=end_process).start()


signal.signal(signal.SIGTERM, end)
create_server(app, listen=f"127.0.0.1:{sys.argv[1]}", threads=8).run()
