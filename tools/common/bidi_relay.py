"""Start Firefox, and relay WebDriver BiDi to it: `bidi_relay.py FIREFOX ARGUMENT...`.

Playwright drives an installed Firefox by BiDi (`channel="moz-firefox"`). It sends each context commands that a
Firefox of long-term support does not have yet, and gives up when one fails. The relay answers those itself, and
passes on all others (docs/decisions/0077-firefox-by-webdriver-bidi.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Final

from aiohttp import ClientSession, ClientWebSocketResponse, web

#: Unknown to Firefox 153. Colours and motion are the tests' of Chromium.
UNKNOWN: Final = frozenset({"emulation.setMediaFeaturesOverride"})
_ENDPOINT: Final = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")


async def relay(command: list[str]) -> int:
    """Run Firefox until it ends, with a WebSocket of our own before its.

    Args:
        command: The program and its arguments.

    Returns:
        Its exit status.
    """
    firefox = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, firefox.terminate)
    endpoint = await _find_endpoint(firefox)
    if endpoint is not None:
        app = web.Application()
        app.router.add_get("/{path:.*}", lambda request: _connect(request, endpoint))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        # Playwright reads this line.
        print(f"WebDriver BiDi listening on ws://{host}:{port}", file=sys.stderr, flush=True)
        await _read_to_end(firefox)
    return await firefox.wait()


async def _find_endpoint(firefox: Process) -> str | None:
    """Read what Firefox writes up to its address; None if it ends before."""
    assert firefox.stderr is not None
    async for line in firefox.stderr:
        if found := _ENDPOINT.search(line):
            return found[1].decode().rstrip("/")
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
    return None


async def _read_to_end(firefox: Process) -> None:
    """Read what Firefox writes, so that it never waits for a full pipe."""
    assert firefox.stderr is not None
    while await firefox.stderr.read(65536):
        pass


async def _connect(request: web.Request, endpoint: str) -> web.WebSocketResponse:
    driver = web.WebSocketResponse(max_msg_size=0)
    await driver.prepare(request)
    async with ClientSession() as session, session.ws_connect(endpoint + request.path, max_msg_size=0) as firefox:
        answers = asyncio.create_task(_forward_answers(firefox, driver))
        async for message in driver:
            command = json.loads(message.data)
            if command["method"] in UNKNOWN:
                await driver.send_json({"type": "success", "id": command["id"], "result": {}})
            else:
                await firefox.send_str(message.data)
        answers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answers
    return driver


async def _forward_answers(firefox: ClientWebSocketResponse, driver: web.WebSocketResponse) -> None:
    async for message in firefox:
        await driver.send_str(message.data)
    await driver.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(relay(sys.argv[1:])))
