"""What providers send, and what must come out of it: the table behind docs/reference/providers.md.

Each scenario is what a provider, a model server or a proxy has been seen to send, or the like of it. The decoder's
own tests read it whole and byte by byte; `tests/faults/test_providers.py` has it sent to a real server in both modes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from tools.common.model_steps import EVENT_STREAM, Headers, Pause, Reset, Send, Stall, Step

DONE: Final = b"data: [DONE]\n\n"
# The only text of most scenarios, and the usage of those that count.
HELLO: Final = "Hello"
COUNTED: Final = (9, 2, 11)
USAGE: Final = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One provider's way.

    Attributes:
        body: What it sends: bytes, each one write, and seconds to wait between them.
        text: The text that comes out.
        reasoning: The reasoning that comes out.
        code: The code of the failure; empty where the answer is whole.
        finish_reason: Of a whole answer.
        usage: Prompt, completion and total tokens; `None` where they are estimated.
        content_type: What the provider calls it; `None` sends no type.
        ending: What it does behind the body: ends it properly, goes silent, or resets the connection.
    """

    body: tuple[bytes | float, ...]
    text: str = HELLO
    reasoning: str = ""
    code: str = ""
    finish_reason: str = "stop"
    usage: tuple[int, int, int] | None = None
    content_type: str | None = EVENT_STREAM[0][1]
    ending: tuple[Step, ...] = field(default=())

    def script(self) -> tuple[Step, ...]:
        """Return what the scripted model does."""
        fields = () if self.content_type is None else (("Content-Type", self.content_type),)
        sent = [Send(step) if isinstance(step, bytes) else Pause(step) for step in self.body]
        return (Headers(fields=fields), *sent, *self.ending)

    @property
    def bytes(self) -> bytes:
        """The whole body."""
        return b"".join(step for step in self.body if isinstance(step, bytes))


def event(value: Any) -> bytes:
    """Return one event whose data is this JSON, or these bytes."""
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return b"data: " + data + b"\n\n"


def chunk(delta: Any = None, finish: Any = None, **fields: Any) -> bytes:
    """Return a chunk with one choice; `delta` may be the text itself."""
    choice = {"index": 0, "delta": {"content": delta} if isinstance(delta, str) else delta or {}}
    return event({"object": "chat.completion.chunk", "choices": [{**choice, "finish_reason": finish}], **fields})


def choice(**fields: Any) -> bytes:
    """Return a chunk with one choice of these fields."""
    return event({"object": "chat.completion.chunk", "choices": [fields]})


def completion(content: Any = HELLO, finish: Any = "stop", **message: Any) -> dict[str, Any]:
    """Return a whole answer, as a provider sends it that does not stream."""
    said = {"role": "assistant", "content": content, **message}
    choices = [{"index": 0, "message": said, "finish_reason": finish}]
    return {"object": "chat.completion", "model": "m", "choices": choices, "usage": USAGE}


STOP: Final = chunk(finish="stop")
END: Final = STOP + DONE
HEL, LO = chunk("Hel"), chunk("lo")


def whole(*body: bytes | float, **expected: Any) -> Scenario:
    """Return a scenario whose answer is whole."""
    return Scenario(body, **expected)


def failing(code: str, *body: bytes | float, **expected: Any) -> Scenario:
    """Return a scenario whose answer is not."""
    return Scenario(body, code=code, **expected)


# An end is an end only if nothing but usage follows it.
ENDS: Final = {
    'DashScope, FastChat: the finish reason is the text "null" until the end': whole(
        chunk("Hel", finish="null"), chunk("lo", finish="null"), END
    ),
    "Ollama of old: the finish reason is an empty text until the end": whole(
        chunk("Hel", finish=""), chunk("lo", finish=""), END
    ),
    "a proxy: stop in every chunk, which come for three seconds": whole(
        *(part for number in range(15) for part in (chunk(f"{number} ", finish="stop"), 0.2)),
        DONE,
        text="".join(f"{number} " for number in range(15)),
    ),
    "Open WebUI: stop in the first chunk, before any word": whole(
        chunk({"role": "assistant", "content": ""}, finish="stop"), 0.5, HEL, LO, END
    ),
    "Open WebUI: stop with every piece of reasoning": whole(
        chunk({"reasoning_content": "Hm"}, finish="stop"), 0.2, chunk({"reasoning_content": "m"}, finish="stop"),
        0.2, HEL, LO, END, reasoning="Hmm",
    ),
    "text behind a finish reason that came by itself": whole(HEL, STOP, 0.2, LO, DONE),
    "text behind a finish reason, which comes again": whole(HEL, STOP, 0.2, LO, END),
    "Gemini, vLLM: the finish reason comes with the last text": whole(HEL, chunk("lo", finish="stop"), DONE),
    "Gemini's first form: finishReason": whole(
        HEL, choice(index=0, delta={"content": "lo"}, finish_reason=None), choice(finishReason="STOP", delta={}),
        finish_reason="STOP",
    ),
    "SGLang: the finish reason is an object": whole(
        HEL, LO, chunk(finish={"type": "length", "length": 2}), DONE, finish_reason="length"
    ),
    "Azure: filter results without a delta behind the finish reason": whole(
        event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}), HEL, LO, STOP,
        choice(index=0, finish_reason=None, content_filter_results={}, content_filter_offsets={"check_offset": 5}),
        DONE,
    ),
    "Azure: the filter's reason comes behind another": whole(
        HEL, LO, STOP, chunk(finish="content_filter"), DONE, finish_reason="content_filter"
    ),
    "a server that says nothing more behind the finish reason": whole(HEL, LO, STOP, ending=(Stall(),)),
    "a server that says nothing more behind text with a finish reason": whole(
        HEL, chunk("lo", finish="stop"), ending=(Stall(),)
    ),
    "a server that resets behind the finish reason": whole(HEL, LO, STOP, 0.05, ending=(Reset(),)),
    "stop in every chunk, and a silence": failing(
        "upstream_timeout", chunk("Hel", finish="stop"), chunk("lo", finish="stop"), ending=(Stall(),)
    ),
    "stop in every chunk, and a reset": failing(
        "upstream_truncated", chunk("Hel", finish="stop"), chunk("lo", finish="stop"), 0.05, ending=(Reset(),)
    ),
    "stop before any word, and a reset": failing(
        "upstream_truncated", chunk({"role": "assistant"}, finish="stop"), 0.05, text="", ending=(Reset(),)
    ),
    "a content filter before any word, and a reset": whole(
        chunk({"role": "assistant"}, finish="content_filter"), 0.05, text="", finish_reason="content_filter",
        ending=(Reset(),),
    ),
    "no text at all": whole(chunk({"role": "assistant", "content": ""}), END, text=""),
}  # fmt: skip

# Nothing behind a whole answer may spoil it.
BEHIND: Final = {
    f"behind the end: {name}": whole(HEL, LO, STOP, junk)
    for name, junk in {
        "data without content": b"data:\n\n",
        "data: DONE": b"data: DONE\n\n",
        "data: [done]": b"data: [done]\n\n",
        "an error object": event({"error": {"message": "late", "code": 500}}),
        "an error as a text": event({"error": "late"}),
        "an error event": b'event: error\ndata: {"message": "late"}\n\n',
        "an error line": b"error: late\n\n",
        "broken JSON": b'data: {"choices": [\n\n',
        "broken UTF-8": b"data: \xff\n\n",
        "a number in place of text": choice(index=0, delta={"content": 5}),
        "choices that are a text": event({"choices": "none"}),
        "HTML": b"<html>\n\n",
        "an error in a choice": choice(index=0, delta={}, error={"code": 502}),
        "a finish reason that is a failure": chunk(finish="error"),
        "a chunk without choices": event({"id": "x"}),
        "an event over the size limit": b"data: " + b"x" * (2**20 + 1) + b"\n\n",
    }.items()
}

# Usage in any shape never spoils an answer, and is read where it can be.
USAGES: Final = {
    f"usage: {name}": whole(HEL, LO, STOP, event({"choices": [], "usage": usage}), DONE, usage=counted)
    for name, usage, counted in (
        ("as OpenAI has it", USAGE, COUNTED),
        ("floats", {"prompt_tokens": 9.0, "completion_tokens": 2.0, "total_tokens": 11.0}, COUNTED),
        ("texts", {"prompt_tokens": "9", "completion_tokens": "2", "total_tokens": "11"}, COUNTED),
        ("Anthropic's and DashScope's names", {"input_tokens": 9, "output_tokens": 2}, COUNTED),
        ("no sum", {"prompt_tokens": 9, "completion_tokens": 2}, COUNTED),
        ("no completion", {"prompt_tokens": 9, "total_tokens": 11}, COUNTED),
        ("null counts", dict.fromkeys(USAGE), None),
        ("booleans", dict.fromkeys(USAGE, True), None),
        ("lists", {"prompt_tokens": [9], "completion_tokens": [2]}, None),
        ("a list", [9, 2, 11], None),
        ("a text", "n/a", None),
        ("true", True, None),
        ("negative", {"prompt_tokens": -1, "completion_tokens": 2}, None),
        ("empty", {}, None),
    )
} | {
    "usage: absurdly large": whole(
        HEL, LO, STOP, event(b'{"choices": [], "usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}"), DONE
    ),
    "usage: infinite": whole(
        HEL, LO, STOP, event(b'{"choices": [], "usage": {"prompt_tokens": 1e400, "completion_tokens": NaN}}'), DONE
    ),
    "Mistral: usage with the finish reason": whole(HEL, LO, chunk("", finish="stop", usage=USAGE), usage=COUNTED),
    "Moonshot: usage in the choice": whole(
        HEL, LO, choice(index=0, delta={}, finish_reason="stop", usage=USAGE), DONE, usage=COUNTED
    ),
    "Groq: usage in x_groq": whole(
        chunk({"role": "assistant"}, x_groq={"id": "r"}), HEL, LO,
        chunk(finish="stop", x_groq={"id": "r", "usage": USAGE}), DONE, usage=COUNTED,
    ),
    "xAI, vLLM: usage in every chunk": whole(
        chunk("Hel", usage={**USAGE, "completion_tokens": 1, "total_tokens": 10}), chunk("lo", usage=USAGE), END,
        usage=COUNTED,
    ),
    "a null and a text as usage behind the right one": whole(
        HEL, LO, chunk(finish="stop", usage=USAGE), event({"choices": [], "usage": None}),
        event({"choices": [], "usage": "none"}), DONE, usage=COUNTED,
    ),
    "usage behind broken JSON and an error behind the end": whole(
        HEL, LO, STOP, b"data: {\n\n", event({"error": {"message": "late"}}), event({"choices": [], "usage": USAGE}),
        DONE, usage=COUNTED,
    ),
    "odd usage in the first chunk": whole(chunk("Hel", usage=[None]), chunk("lo", usage={"prompt_tokens": {}}), END),
}  # fmt: skip

# A failure is not "done".
FAILURES: Final = {
    f"the finish reason {reason}": failing("upstream_unavailable", HEL, LO, chunk(finish=reason), DONE)
    for reason in (
        "error", "insufficient_system_resource", "network_error", "abort", "aborted", "failed", "cancelled", "ERROR"
    )
} | {
    "OpenRouter: an error beside the finish reason error": failing(
        "upstream_unavailable", HEL, LO,
        chunk("", finish="error", error={"code": 502, "message": "Provider disconnected"}), DONE,
    ),
    "OpenRouter: an error in the choice": failing(
        "upstream_unavailable", HEL, LO,
        choice(index=0, delta={"content": ""}, error={"code": 502, "message": "upstream"}, finish_reason="error"),
        DONE,
    ),
    "text and an error in one chunk": failing(
        "upstream_unavailable", HEL, chunk("lo", error={"code": 502, "message": "upstream"}), DONE
    ),
    "text and a failure as finish reason in one chunk": failing("upstream_unavailable", HEL, chunk("lo", "error")),
    "an error event in the middle": failing(
        "upstream_unavailable", HEL, LO, b'event: error\ndata: {"message": "worker died"}\n\n', END
    ),
    "an error event that is no JSON": failing("upstream_unavailable", HEL, LO, b"event: error\ndata: boom\n\n", END),
    "an error in plain words as data": failing("upstream_unavailable", HEL, LO, b"data: error: boom\n\n", END),
    "an error line": failing("upstream_unavailable", HEL, LO, b'error: {"message": "boom"}\n\n', END),
    "a bare line of JSON that is an error": failing(
        "upstream_unavailable", HEL, LO, b'{"error": {"message": "boom", "code": 500}}\n', DONE
    ),
    "the same without any line end": failing("upstream_unavailable", HEL, LO, b'{"error": {"message": "boom"}}'),
    "stop in every chunk, and an error": failing(
        "upstream_unavailable", chunk("Hel", finish="stop"), chunk("lo", finish="stop"),
        event({"error": {"message": "boom", "code": 500}}),
    ),
    "broken JSON in the middle": failing("upstream_invalid", HEL, LO, b'data: {"choices": [{\n\n', END),
    "half a chunk in the middle": failing(
        "upstream_invalid", HEL, LO, b'data: s": [{"delta": {"content": "x"}}]}\n\n', END
    ),
    "a number in place of text": failing("upstream_invalid", HEL, LO, choice(index=0, delta={"content": 5}), END),
}  # fmt: skip

# Shapes of a chunk. Where a provider is named, it sends them.
SHAPES: Final = {
    "message in place of delta": whole(
        choice(index=0, message={"content": "Hel"}), choice(index=0, message={"content": "lo"}), END
    ),
    "text in place of delta": whole(choice(index=0, text="Hel"), choice(index=0, text="lo", finish_reason="stop")),
    "Perplexity: the whole text so far as message, beside delta": whole(
        choice(index=0, delta={"content": "Hel"}, message={"content": "Hel"}),
        choice(index=0, delta={"content": "lo"}, message={"content": HELLO}),
        choice(index=0, delta={"content": ""}, message={"content": HELLO}, finish_reason="stop"),
    ),
    "a whole message behind the text": whole(HEL, LO, choice(index=0, message={"content": HELLO}), END),
    "a whole completion as the only event": whole(event(completion()), DONE, usage=COUNTED),
    "Databricks, Mistral: content as a list of parts": whole(
        chunk({"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}), END
    ),
    "Mistral: thinking among the parts": whole(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm"}]}]}),
        chunk({"content": [{"type": "text", "text": "Hel"}, {"type": "reference", "reference_ids": [1]}]}),
        LO, END, reasoning="Hmm",
    ),
    "a text as an object": whole(chunk({"content": {"type": "text", "text": {"value": HELLO}}}), END),
    "parts that are texts": whole(chunk({"content": ["Hel", "lo"]}), END),
    "DeepSeek: reasoning_content": whole(
        chunk({"content": None, "reasoning_content": "Hmm"}), chunk({"content": HELLO, "reasoning_content": None}),
        END, reasoning="Hmm",
    ),
    "Groq, vLLM: reasoning": whole(chunk({"reasoning": "Hmm"}), HEL, LO, END, reasoning="Hmm"),
    "OpenRouter: reasoning_details": whole(
        chunk({"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}),
        chunk({"content": "", "reasoning_details": [{"type": "reasoning.summary", "summary": "m"}]}),
        chunk({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]}),
        HEL, LO, END, reasoning="Hmm",
    ),
    "OpenRouter: the same reasoning under two names": whole(
        chunk({"content": "", "reasoning": "Hmm", "reasoning_details": [{"type": "reasoning.text", "text": "Hmm"}]}),
        HEL, LO, END, reasoning="Hmm",
    ),
    **{
        f"{where}: {name}": whole(chunk({"content": "", name: "Hmm"}), HEL, LO, END, reasoning="Hmm")
        for where, name in (
            ("Ollama", "thinking"), ("Copilot", "reasoning_text"), ("a proxy", "thinking_content")
        )
    },
    "reasoning as an object": whole(chunk({"reasoning": {"content": "Hmm"}}), HEL, LO, END, reasoning="Hmm"),
    "reasoning and text in one chunk": whole(
        chunk({"reasoning_content": "Hmm", "content": "Hel"}), LO, END, reasoning="Hmm"
    ),
    "a refusal": whole(chunk({"refusal": HELLO}), END),
    **{
        f"delta: {delta!r}": whole(HEL, choice(index=0, delta=delta), LO, END)
        for delta in ("", [], None, {}, {"role": "assistant"}, {"content": []}, {"content": {}}, {"tool_calls": []})
    },
    **{
        f"index: {index!r}": whole(
            choice(index=index, delta={"content": "Hel"}), choice(index=index, delta={"content": "lo"}), END
        )
        for index in (None, "0", 0.0)
    },
    "no index": whole(choice(delta={"content": "Hel"}), choice(delta={"content": "lo"}), END),
    "a second choice": whole(HEL, choice(index=1, delta={"content": "no"}, finish_reason="stop"), LO, END),
    "a second choice whose index is a text": whole(HEL, choice(index="1", delta={"content": "no"}), LO, END),
    "choices that are one object": whole(event({"choices": {"delta": {"content": HELLO}}}), END),
    "choices that are null": whole(HEL, event({"choices": None}), LO, END),
    "a list of chunks as one event": whole(
        event([{"choices": [{"delta": {"content": "Hel"}}]}, {"choices": [{"delta": {"content": "lo"}}]}]), END
    ),
    **{
        f"data: {said}": whole(HEL, b"data: " + said.encode() + b"\n\n", LO, END)
        for said in ("null", "ping", "keep-alive", "true", "7", '"ping"', "[]", "{}", "", "2026-01-01T00:00:00Z")
    },
    "no space behind data:": whole(*(part.replace(b"data: ", b"data:") for part in (HEL, LO, END))),
    "OpenRouter: comments": whole(b": OPENROUTER PROCESSING\n\n", HEL, b": OPENROUTER PROCESSING\n\n", LO, END),
    "a tool call that nobody asked for": whole(
        HEL, chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}), LO, END
    ),
}  # fmt: skip

JSON: Final = "application/json"
DOCUMENT: Final = json.dumps(completion()).encode()
# A provider that does not stream, or that says another content type than it sends.
BODIES: Final = {
    "a whole completion": whole(DOCUMENT, content_type=JSON, usage=COUNTED),
    "a whole completion in many lines and pieces": whole(
        *json.dumps(completion(), indent=2).encode().partition(b'"Hel'), content_type=JSON, usage=COUNTED
    ),
    "a whole completion that says it is an event stream": whole(DOCUMENT, usage=COUNTED),
    "a whole completion behind empty lines": whole(b"\n\n", 0.05, b"\n" + DOCUMENT, content_type=JSON, usage=COUNTED),
    "a proxy: [DONE] behind a whole completion": whole(DOCUMENT + b"\n\n" + DONE, usage=COUNTED),
    "a proxy: [DONE] at once behind a whole completion": whole(DOCUMENT + DONE, usage=COUNTED),
    "a whole completion with reasoning": whole(
        json.dumps(completion(reasoning_content="Hmm")).encode(), content_type=JSON, reasoning="Hmm", usage=COUNTED
    ),
    "a whole completion whose content is a list of parts": whole(
        json.dumps(completion([{"type": "thinking", "thinking": "Hmm"}, {"type": "text", "text": HELLO}])).encode(),
        content_type=JSON, reasoning="Hmm", usage=COUNTED,
    ),
    "a whole completion with <think>": whole(
        json.dumps(completion("<think>\nHmm</think>\n\nHello")).encode(), content_type=JSON, reasoning="Hmm",
        usage=COUNTED,
    ),
    "a whole completion without a finish reason": whole(
        json.dumps(completion(finish=None)).encode(), content_type=JSON, finish_reason="unknown", usage=COUNTED
    ),
    "a whole completion that failed": failing(
        "upstream_unavailable", json.dumps(completion(finish="error")).encode(), content_type=JSON
    ),
    "half of a whole completion": failing("upstream_invalid", DOCUMENT[:-9], content_type=JSON, text=""),
    "a line for each chunk": whole(
        *(part.removeprefix(b"data: ").removesuffix(b"\n") for part in (HEL, LO, STOP)),
        content_type="application/x-ndjson",
    ),
    "the last line without its end": whole(
        *(part.removeprefix(b"data: ").removesuffix(b"\n") for part in (HEL, LO)),
        STOP.removeprefix(b"data: ").strip(), content_type="application/x-ndjson",
    ),
    "a JSON array of chunks": whole(
        b"[" + b",\n".join(part.removeprefix(b"data: ").strip() for part in (HEL, LO, STOP)) + b"]", content_type=JSON
    ),
    "an event stream as application/json": whole(HEL, LO, END, content_type=JSON),
    "an event stream as text/html": whole(HEL, LO, END, content_type="text/html"),
    "an event stream as text/plain": whole(HEL, LO, END, content_type="text/plain; charset=utf-8"),
    "an event stream without a content type": whole(HEL, LO, END, content_type=None),
    "an event stream behind a BOM and empty lines": whole(b"\xef\xbb\xbf\r\n\r\n" + HEL, LO, END),
    "HTML that says it is an event stream": failing("upstream_invalid", b"<html>login</html>", text=""),
    "a text that says it is an event stream": failing("upstream_invalid", b"upstream connect error\n", text=""),
    "JSON of another kind": failing("upstream_invalid", b'{"ok": true}', content_type=JSON, text=""),
    "a JSON error": failing("upstream_invalid", b'{"error": {"message": "no"}}', content_type=JSON, text=""),
    "a JSON error that has advice": failing(
        "quota_exceeded", b'{"error": {"code": "insufficient_quota", "message": "no"}}', content_type=JSON, text=""
    ),
    "a list of JSON errors": failing(
        "quota_exceeded", b'[{"error": {"code": "insufficient_quota"}}]', content_type=JSON, text=""
    ),
}  # fmt: skip

# How a stream ends.
LAST: Final = {
    "the last event without its blank line": whole(HEL, LO, STOP.rstrip(b"\n")),
    "the last event with one line end": whole(HEL, LO, STOP.removesuffix(b"\n")),
    "the last event is text, without its blank line": failing("upstream_truncated", HEL, LO.rstrip(b"\n")),
    "[DONE] without its blank line": whole(HEL, LO, STOP, DONE.rstrip(b"\n")),
    "an event that is cut off": failing("upstream_truncated", HEL, LO, STOP[:-9]),
    "the cut through [DONE]": whole(HEL, LO, STOP, b"data: [DO"),
    "[DONE] behind text without a finish reason": whole(HEL, LO, DONE, finish_reason="unknown"),
    "data: done behind text without a finish reason": whole(HEL, LO, b"data: done\n\n", finish_reason="unknown"),
    "[DONE] and usage without a finish reason": whole(
        HEL, LO, event({"choices": [], "usage": USAGE}), DONE, finish_reason="unknown", usage=COUNTED
    ),
    "[DONE] behind reasoning alone": failing(
        "upstream_truncated", chunk({"reasoning": "Hmm"}), DONE, text="", reasoning="Hmm"
    ),
    "[DONE] behind no word": failing("upstream_truncated", chunk({"role": "assistant"}), DONE, text=""),
    "the end behind text without a finish reason": failing("upstream_truncated", HEL, LO),
    "usage behind text without a finish reason": failing(
        "upstream_truncated", HEL, LO, event({"choices": [], "usage": USAGE})
    ),
    "a reset behind an event without its blank line": failing(
        "upstream_truncated", HEL, 0.05, LO.rstrip(b"\n"), 0.05, ending=(Reset(),)
    ),
}

# Reasoning between tags at the beginning of the content.
THINKING: Final = {
    "Qwen, DeepSeek: <think> at the beginning": whole(
        chunk("<think>"), chunk("\nHm"), chunk("m"), chunk("</think>"), chunk("\n\nHel"), LO, END, reasoning="Hmm"
    ),
    "tags split over tokens, white space before them": whole(
        chunk("\n"), chunk(" <th"), chunk("ink>Hm"), chunk("m<"), chunk("/thi"), chunk("nk>\n"), chunk("\n"), HEL, LO,
        END, reasoning="Hmm",
    ),
    "all of it in one chunk": whole(chunk("<think>Hmm</think>Hello", finish="stop"), DONE, reasoning="Hmm"),
    "Gemini: <thought>": whole(chunk("<thought>Hmm</thought>"), HEL, LO, END, reasoning="Hmm"),
    "ERNIE: <thinking>, in capitals": whole(chunk("<Thinking>Hmm</Thinking>"), HEL, LO, END, reasoning="Hmm"),
    "Kimi: ◁think▷": whole(chunk("◁think"), chunk("▷Hmm◁/think▷"), HEL, LO, END, reasoning="Hmm"),
    "Qwen without thinking: an empty <think>": whole(chunk("<think>\n\n</think>\n\n"), HEL, LO, END),
    "a bracket that is no closing tag": whole(
        chunk("<think>a < b </"), chunk("thin"), chunk("g></think>"), HEL, LO, END, reasoning="a < b </thing>"
    ),
    "<think> that is never closed": whole(
        chunk("<think>Hm"), chunk("m</th"), chunk(finish="length"), DONE, text="", reasoning="Hmm</th",
        finish_reason="length",
    ),
    "<think> later in the text is text": whole(
        chunk("A "), chunk("<think>b</think> c"), END, text="A <think>b</think> c"
    ),
    "a second <think> is text": whole(
        chunk("<think>Hmm</think>"), chunk("Hel"), chunk("<think>lo"), END, reasoning="Hmm", text="Hel<think>lo"
    ),
    "the beginning of a tag that is none": whole(chunk("<thi"), chunk("s> Hello"), END, text="<this> Hello"),
    "nothing but the beginning of a tag": whole(chunk("\n<thi"), END, text="\n<thi"),
    "white space before text": whole(chunk("\n\n"), HEL, LO, END, text="\n\nHello"),
    "nothing but white space": whole(chunk("\n "), END, text="\n "),
    "the beginning of a tag, and a broken event": failing(
        "upstream_invalid", chunk("<th"), b"data: {\n\n", text="<th"
    ),
    "a template that opens it: only </think>": whole(
        chunk("Hmm"), chunk("\n</think>\n\n"), HEL, LO, END, text="Hmm\n</think>\n\nHello"
    ),
    "reasoning_content, and then <think>": whole(
        chunk({"reasoning_content": "Hm"}), chunk("<think>m</think>"), HEL, LO, END, reasoning="Hmm"
    ),
}  # fmt: skip

SCENARIOS: Final[dict[str, Scenario]] = {
    **ENDS, **BEHIND, **USAGES, **FAILURES, **SHAPES, **BODIES, **LAST, **THINKING
}  # fmt: skip
