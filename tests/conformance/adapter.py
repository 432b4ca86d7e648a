"""A server of the Durable Streams protocol over a store of runs, as far as the two say the same. For tests.

A stream is a run: PUT creates it, POST appends one batch, `Stream-Closed` is its end, and GET reads behind an offset:
the number of the last event that the client has. What a store of runs does not have is refused with 501.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from sluice.service.runs.stores.base import (
    Append,
    Batch,
    NewRun,
    Page,
    Refusal,
    RunRecord,
    RunState,
    RunStore,
)
from sluice.service.runs.stores.memory import MemoryStore
from sluice.service.runs.stores.redis import RedisStore
from sluice.service.runs.stores.sqlite import SqliteStore

OWNER = "conformance"
#: What a store of runs has not: clocks of a stream's own, copies of streams, writers that are told apart.
MISSING = (
    "Stream-TTL", "Stream-Expires-At", "Stream-Forked-From", "Stream-Fork-Offset", "Stream-Seq", "Producer-Id",
    "Producer-Epoch", "Producer-Seq",
)  # fmt: skip
# Bytes of one reply, unless the reader follows.
PAGE_BYTES = 1 << 20
# Seconds of one long poll.
LONG_POLL = 2.0


class Adapter:
    """Serves streams from one store."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._rung: dict[str, asyncio.Event] = {}
        #: The run and the content type of each path. A store finds a run by its id, and by its key only to create it.
        self._streams: dict[str, tuple[str, str]] = {}

    def ring(self, run_id: str) -> None:
        if run_id in self._rung:
            self._rung[run_id].set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if any(name in request.headers for name in MISSING):
            return self._reply(request, 501)
        methods = {
            "PUT": self._create, "POST": self._append, "GET": self._read, "HEAD": self._describe,
            "DELETE": self._delete, "OPTIONS": self._allow,
        }  # fmt: skip
        method = methods.get(request.method)
        return self._reply(request, 405) if method is None else await method(request)

    # ------------------------------------------------------------------ one for each method

    async def _create(self, request: web.Request) -> web.StreamResponse:
        kind = request.headers.get("Content-Type", "application/octet-stream")
        is_closed = request.headers.get("Stream-Closed", "").lower() == "true"
        body = await request.read()
        config = f"{kind.lower()} {is_closed}"
        created = await self._store.create(NewRun(secrets.token_hex(16), OWNER, key=request.path, body_digest=config))
        if not created.is_new and created.body_digest != config:
            return self._reply(request, 409)
        if created.is_new:
            self._streams[request.path] = (created.run_id, kind)
            if body or is_closed:
                await self._put(created.run_id, body, is_closed)
        record = await self._store.find(created.run_id)
        assert record is not None
        headers = {"Content-Type": kind, "Location": str(request.url), **_position(record)}
        return self._reply(request, 201 if created.is_new else 200, headers)

    async def _append(self, request: web.Request) -> web.StreamResponse:
        found = await self._find(request)
        if found is None:
            return self._reply(request, 404)
        record, kind = found
        body = await request.read()
        is_closed = request.headers.get("Stream-Closed", "").lower() == "true"
        if not body and is_closed:
            # Closing twice is harmless.
            if record.state is RunState.RUNNING:
                await self._put(record.run_id, b"", True)
        elif not body:
            return self._reply(request, 400)
        elif record.state is not RunState.RUNNING:
            return self._reply(request, 409, _position(record))
        elif request.headers.get("Content-Type", "").lower().partition(";")[0] != kind.lower().partition(";")[0]:
            return self._reply(request, 409 if "Content-Type" in request.headers else 400)
        elif await self._put(record.run_id, body, is_closed) is Refusal.ENDED:
            return self._reply(request, 409, {"Stream-Closed": "true"})
        after = await self._store.find(record.run_id)
        return self._reply(request, 404) if after is None else self._reply(request, 204, _position(after))

    async def _put(self, run_id: str, body: bytes, is_closed: bool) -> Refusal | None:
        """Append behind what is there. Where another writer was faster, the store names the next number."""
        record = await self._store.find(run_id)
        number = 1 if record is None else record.last_number + 1
        while True:
            end = RunState.COMPLETED if is_closed else None
            [answer] = await self._store.append([Append(run_id, 1, Batch(number, 1, body), end, "closed")])
            if answer.refusal is not Refusal.DUPLICATE:
                return answer.refusal
            again = await self._store.find(run_id)
            if again is None or again.state is not RunState.RUNNING:
                return Refusal.ENDED
            number = answer.next_number

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        found = await self._find(request)
        if found is None:
            return self._reply(request, 404)
        record, kind = found
        return self._reply(request, 200, {"Content-Type": kind, "Cache-Control": "no-store", **_position(record)})

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        run_id, _ = self._streams.pop(request.path, ("", ""))
        return self._reply(request, 204 if run_id and await self._store.delete(run_id) else 404)

    async def _allow(self, request: web.Request) -> web.StreamResponse:
        return self._reply(
            request,
            204,
            {
                "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, HEAD, OPTIONS",
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
            },
        )

    async def _read(self, request: web.Request) -> web.StreamResponse:
        found = await self._find(request)
        if found is None:
            return self._reply(request, 404)
        record, kind = found
        offsets, live = request.query.getall("offset", []), request.query.get("live")
        if len(offsets) > 1 or (live and not offsets) or live not in (None, "long-poll", "sse"):
            return self._reply(request, 400)
        offset = offsets[0] if offsets else "-1"
        if offset == "now":
            after = record.last_number
        elif offset == "-1":
            after = 0
        elif len(offset) == 16 and offset.isascii() and offset.isdigit():
            after = int(offset)
        else:
            return self._reply(request, 400)
        if live == "sse":
            return await self._stream(request, record.run_id, kind, after)
        page = await self._store.read(record.run_id, after, PAGE_BYTES)
        if page is not None and live == "long-poll" and not page.batches and page.record.state is RunState.RUNNING:
            page = await self._wait(record.run_id, after)
        if page is None:
            return self._reply(request, 404)
        last = page.batches[-1].last if page.batches else max(after, 0)
        tag = f'"{record.run_id}:{after}:{last}:{page.is_last}"'
        is_current = last >= page.record.last_number
        headers = {
            "Content-Type": kind,
            "Stream-Next-Offset": _offset(last),
            "ETag": tag,
            "Cache-Control": "no-store" if offset == "now" else "public, max-age=60, stale-while-revalidate=300",
        }
        if live == "long-poll":
            headers["Stream-Cursor"] = _cursor(request.query.get("cursor"))
        if is_current:
            headers["Stream-Up-To-Date"] = "true"
        if page.is_last and is_current:
            headers["Stream-Closed"] = "true"
        if request.headers.get("If-None-Match") == tag:
            return self._reply(request, 304, headers)
        body = b"".join(batch.payload for batch in page.batches)
        if live == "long-poll" and not body:
            return self._reply(request, 204, headers)
        return self._reply(request, 200, headers, body)

    async def _stream(self, request: web.Request, run_id: str, kind: str, after: int) -> web.StreamResponse:
        is_text = kind.lower().startswith("text/") or kind.lower().startswith("application/json")
        encoding = {} if is_text else {"stream-sse-data-encoding": "base64"}
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", **encoding, **_COMMON}
        )
        await response.prepare(request)
        page = await self._store.read(run_id, after, PAGE_BYTES)
        cursor = _cursor(request.query.get("cursor"))
        while page is not None:
            for batch in page.batches or [None]:
                is_ended = await self._write_events(response, page, batch, after, is_text, cursor)
                after = after if batch is None else batch.last
            if is_ended:
                break
            page = await self._wait(run_id, after)
            while page is not None and not page.batches and page.record.state is RunState.RUNNING:
                page = await self._wait(run_id, after)
        return response

    async def _write_events(
        self, response: web.StreamResponse, page: Page, batch: Batch | None, after: int, is_text: bool, cursor: str
    ) -> bool:
        """Write a batch, and where the reader is; return whether that is the end."""
        data = b""
        if batch is not None:
            after = batch.last
            text = batch.payload.decode(errors="replace") if is_text else base64.b64encode(batch.payload).decode()
            data = _frame("data", text) if batch.payload else b""
        is_current = after >= page.record.last_number
        control: dict[str, object] = {"streamNextOffset": _offset(after)}
        if is_current and page.record.state is not RunState.RUNNING:
            control["streamClosed"] = True
        else:
            control["streamCursor"] = cursor
            if is_current:
                control["upToDate"] = True
        # At once: the tests' client stops reading behind what looks like a control event, which some of the tests put
        # into the data.
        await response.write(data + _frame("control", json.dumps(control)))
        return "streamClosed" in control

    # ------------------------------------------------------------------ inside

    async def _find(self, request: web.Request) -> tuple[RunRecord, str] | None:
        run_id, kind = self._streams.get(request.path, ("", ""))
        record = await self._store.find(run_id) if run_id else None
        return None if record is None else (record, kind)

    async def _wait(self, run_id: str, after: int) -> Page | None:
        """Wait for a ring, and read; at most for one long poll."""
        rung = self._rung.setdefault(run_id, asyncio.Event())
        await self._store.watch(run_id)
        until = asyncio.get_running_loop().time() + LONG_POLL
        while True:
            rung.clear()
            page = await self._store.read(run_id, after, PAGE_BYTES)
            left = until - asyncio.get_running_loop().time()
            if page is None or page.batches or page.record.state is not RunState.RUNNING or left <= 0:
                return page
            try:
                # A store does not ring for what this connection to it has appended: its writer is told otherwise.
                async with asyncio.timeout(min(left, 0.05)):
                    await rung.wait()
            except TimeoutError:
                continue

    def _reply(
        self, request: web.Request, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> web.Response:
        headers = {**_COMMON, **(headers or {})}
        if status in (204, 304):
            headers.pop("Content-Type", None)
        return web.Response(status=status, headers=headers, body=body if body or status == 200 else None)


_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
}


def _offset(number: int) -> str:
    return f"{number:016d}"


def _position(record: RunRecord) -> dict[str, str]:
    headers = {"Stream-Next-Offset": _offset(record.last_number)}
    return headers if record.state is RunState.RUNNING else {**headers, "Stream-Closed": "true"}


def _cursor(given: str | None) -> str:
    return str(int(given) + 1) if given and given.isdigit() else "1"


def _frame(event: str, data: str) -> bytes:
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"event: {event}\n{''.join(f'data:{line}' + chr(10) for line in lines)}\n".encode()


def make_store(url: str) -> RunStore:
    kind, _, rest = url.partition(":")
    makers: dict[str, Callable[[], RunStore]] = {
        "memory": MemoryStore,
        "sqlite": lambda: SqliteStore(Path(rest)),
    }
    return makers[kind]() if kind in makers else RedisStore(url)


async def serve(store: RunStore) -> None:
    adapter = Adapter(store)
    await store.open(adapter.ring)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", adapter.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    asyncio.run(serve(make_store(parser.parse_args().store)))
