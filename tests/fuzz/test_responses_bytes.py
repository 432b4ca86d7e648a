"""Events of the Responses API with any values in any field, cut anywhere: one verdict, and no end that never came."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.service.decoding.chunk_writer import ChunkWriter
from sluice.service.decoding.forwarded_chunks import ForwardedChunks
from sluice.service.decoding.responses_decoder import ResponsesDecoder
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Finished
from tests.fuzz.effort import LONG, tried
from tools.common.responses_scripts import (
    ResponseEvent,
    began,
    call,
    called,
    ended,
    message,
    response,
    response_usage,
    text,
)

pytestmark = pytest.mark.timeout(1800 if LONG else 60)

OUTPUT = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "content": None},
    message("Hello"),
    call("call_1", "search", "{}"),
]
EVENTS = [
    step
    for step in (
        *began(),
        text("Hm", type="response.reasoning_summary_text.delta", summary_index=0),
        text("Hello", output_index=1),
        text("No", type="response.refusal.delta"),
        *called(2, "call_1", "search", "{", "}"),
        *ended(output=OUTPUT, usage=response_usage(9, 2)),
        *ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        *ended("failed", error={"code": "server_error", "message": "boom"}),
        ResponseEvent("error", {"code": "x", "message": "boom"}),
    )
    if isinstance(step, ResponseEvent)
]
SCALARS = st.sampled_from([None, True, 0, -1, 2**70, 1.5, "", "stop", "\ud800", "completed", "failed", "call_1"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner),
    max_leaves=4,
)


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """Return a JSON value in which a few values are others."""
    if draw(st.integers(0, 12)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        return {name: draw(spoiled(each)) for name, each in value.items() if draw(st.integers(0, 15))}
    if isinstance(value, list):
        return [draw(spoiled(each)) for each in value]
    return value


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    events = draw(st.lists(st.sampled_from(EVENTS), max_size=8))
    if draw(st.integers(0, 5)) == 0:
        return json.dumps(draw(spoiled(response("completed", OUTPUT)))).encode()
    written = []
    for event in events:
        fields = {"type": event.type, **{name: draw(spoiled(each)) for name, each in event.fields.items()}}
        line = f"event: {event.type}\n" if draw(st.booleans()) else ""
        written.append(f"{line}data: {json.dumps(fields)}\n\n")
    return "".join(written).encode()


def verdict(parts: list[bytes], decoder: ResponsesDecoder) -> Finished | type[UpstreamError]:
    """Read a body as `ProviderClient.stream` does; another exception than a failure comes out as it is."""
    try:
        for part in parts:
            if part and not decoder.state.has_ended:
                decoder.feed(part)
        decoder.finish()
        return decoder.result()
    except UpstreamError as failure:
        return type(failure)


@tried(500)
@given(data=st.data(), body=bodies(), forwards=st.booleans())
def test_any_values_give_one_verdict_and_no_end_that_did_not_come(
    data: st.DataObject, body: bytes, forwards: bool
) -> None:
    def decoder() -> ResponsesDecoder:
        forwarded = ForwardedChunks(ChunkWriter("m", "id", 0)) if forwards else None
        return ResponsesDecoder(2**20, forwarded=forwarded)

    whole = verdict([body], decoder())
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    assert verdict([body[begin:end] for begin, end in pairwise([0, *cuts, len(body)])], decoder()) == whole
    if isinstance(whole, Finished):
        assert re.search(rb'"type": "response.(completed|incomplete)"|"status": "(completed|incomplete)"', body)
