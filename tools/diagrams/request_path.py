"""The drawing of a request's path: who does what, in which thread, and which module it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from . import svg

Lane = Literal["client", "main", "view", "loop", "model"]

WIDTH: Final = 1180
_TOP: Final = 92
_LINE: Final = 14
_LANES: Final[dict[Lane, tuple[float, str, str]]] = {
    "client": (112, "Client", "page, curl, program"),
    "main": (346, "Worker's main thread", "gunicorn"),
    "view": (592, "Request thread", "Flask, a few in a worker"),
    "loop": (838, "Event loop thread", "asyncio, one in the process"),
    "model": (1068, "Model", "OpenAI API, or the demo"),
}


@dataclass(frozen=True)
class Step:
    """One step of the path.

    Attributes:
        source: The lane that acts.
        target: The lane that it reaches; the same lane for work of its own.
        words: What happens.
        modules: Where, as paths below the repository without `.py`.
        fails: What the client gets where this step fails; empty where it cannot.
        kind: `line`, `main` for tokens, `warn` for what happens only sometimes.
    """

    source: Lane
    target: Lane
    words: str
    modules: tuple[str, ...] = ()
    fails: str = ""
    kind: Literal["line", "main", "warn"] = "line"


STEPS: Final = (
    Step("client", "main", "POST /api/chat", ("web/intake/request_intake",), "408 431"),
    Step("main", "main", "refuse a chat, if no slot is free", ("web/server/gathering_worker",), "503"),
    Step("main", "view", "the complete request", ("web/intake/request_threads",), "503"),
    Step("view", "view", "check the host", ("web/security/host_names",), "421"),
    Step("view", "view", "ask authorize for the user", ("web/security/sign_in",), "401 403"),
    Step("view", "view", "check the site", ("web/security/origin",), "403"),
    Step("view", "view", "read and check the body", ("web/api/request_body",), "400 413 415"),
    Step("view", "view", "prepare completes the chat", ("web/api/chat",), "403"),
    Step("view", "view", "acquire a slot", ("service/runs/concurrency_limit",), "503"),
    Step("view", "loop", "submit the run", ("service/service", "service/runs/run"), "503"),
    Step("loop", "loop", "before_model, if it is set", ("service/service",), "403 504"),
    Step("loop", "model", "request", ("service/provider/client", "service/provider/transport"), "502 504"),
    Step("model", "loop", "accepted, or a failure", ("service/failures/mapping",), "429 502"),
    Step("loop", "view", "accepted", ("service/runs/run",)),
    Step("view", "client", "headers, then “: ok”", ("web/server/exchange", "web/replies/stream_body")),
    Step("view", "loop", "hand over the socket; the thread is free", ("web/server/detaching_worker",)),
    Step("model", "loop", "bytes", ("service/provider/response_body",), kind="main"),
    Step(
        "loop", "loop", "decode", ("service/decoding/sse_decoder", "service/decoding/completion_decoder"), kind="main"
    ),
    Step("loop", "loop", "append to the run’s log", ("service/runs/log",), kind="main"),
    Step(
        "loop",
        "client",
        "each token: encode, one write that does not block; no thread waits",
        ("web/encoders/sluice_sse", "web/replies/socket_reader"),
        kind="main",
    ),
    Step("loop", "loop", "slow client: wait for the socket", ("web/replies/socket_reader",), kind="warn"),
    Step("loop", "model", "full log: pause reading", ("service/provider/completion_reader",), kind="warn"),
    Step("loop", "client", "terminal frame", ("web/replies/socket_reader",)),
    Step("loop", "main", "the end", ("web/server/detaching_worker",)),
    Step("main", "view", "close the body on any thread", ("web/server/exchange",)),
    Step("view", "view", "slot released; one log line", ("service/runs/run",)),
    Step("view", "view", "on_end, if it is set", ("service/service",)),
    Step("view", "client", "end of the body", ("web/server/exchange",)),
    Step(
        "client", "loop", "the client disconnects: epoll tells the loop", ("web/sockets/client_socket",), kind="warn"
    ),
    Step("loop", "model", "task cancelled", ("service/runs/run",), kind="warn"),
)


def draw(root: Path) -> str:
    """Return the drawing as SVG.

    Args:
        root: The repository.

    Raises:
        ValueError: A step names a module that does not exist.
    """
    missing = sorted({name for step in STEPS for name in step.modules if not (root / f"{name}.py").is_file()})
    if missing:
        raise ValueError(f"tools/diagrams/request_path.py names modules that do not exist: {', '.join(missing)}")
    bottom = _TOP + sum(map(_height, STEPS))
    height = bottom + 40
    parts = []
    for x, title, below in _LANES.values():
        parts += [
            f'<path class="life" d="M{x:g} 70V{bottom:g}"/>',
            svg.box(x - 88, 18, 176, 52),
            svg.text(x, 40, title, "title middle"),
            svg.text(x, 58, below, "soft middle"),
        ]
    y = float(_TOP)
    for step in STEPS:
        parts += _draw_step(step, y)
        y += _height(step)
    parts.append(
        svg.text(
            24,
            height - 16,
            "Numbers: the status where a step fails. After the headers a failure is a frame. Dashed: only sometimes. "
            "Thick: for each token.",
            "soft",
        )
    )
    said = " ".join(f"{_LANES[step.source][1]}: {step.words}." for step in STEPS)
    return svg.document(WIDTH, height, "The path of one request", said, parts)


def _height(step: Step) -> int:
    return 36 + _LINE * len(step.modules)


def _draw_step(step: Step, top: float) -> list[str]:
    y = top + 20
    start, end = _LANES[step.source][0], _LANES[step.target][0]
    words = f"{step.kind} halo" if step.kind in ("main", "warn") else "halo"
    below = range(len(step.modules))
    if start == end:
        return [
            svg.box(start - 5, y - 14, 10, 12 + _LINE * len(step.modules)),
            svg.text(start + 14, y - 2, step.words, words),
            *(svg.text(start + 14, y + 12 + _LINE * line, step.modules[line], "code halo") for line in below),
            *_status(step, start - 14, y + 4, "end"),
        ]
    right = end > start
    inset = 5 if right else -5
    middle = (start + end) / 2
    return [
        svg.text(middle, y - 7, step.words, f"{words} middle"),
        *(svg.text(middle, y + 14 + _LINE * line, step.modules[line], "code halo middle") for line in below),
        svg.arrow(f"M{start + inset:g} {y:g}H{end - inset:g}", step.kind),
        *_status(step, start - 3 * inset, y + 4, "end" if right else "start"),
    ]


def _status(step: Step, x: float, y: float, anchor: str) -> list[str]:
    if not step.fails:
        return []
    return [f'<text x="{x:g}" y="{y:g}" class="warn" text-anchor="{anchor}">{step.fails}</text>']
