"""The chat's own application, in a worker that counts the function calls of each kind of thread.

The interpreter itself counts them (`sys.setprofile`), from the loading of the application on.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from types import CodeType, FrameType
from typing import Any

from flask import Response, jsonify

from sluice import create_app

_NUMBER = re.compile(r"[\d_-]+$")
# By a thread's number, the calls of one that has ended would be counted on.
_own = threading.local()
_of_kind: dict[str, Counter[CodeType | str]] = {}


def _count(frame: FrameType, event: str, argument: Any) -> None:
    if event == "call":
        called: CodeType | str = frame.f_code
    elif event == "c_call":
        called = argument.__qualname__
    else:
        return
    try:
        counter = _own.counter
    except AttributeError:
        kind = _NUMBER.sub("", threading.current_thread().name)
        counter = _own.counter = _of_kind.setdefault(kind, Counter())
    counter[called] += 1


# The loop and the threads of requests are started later.
threading.setprofile(_count)
sys.setprofile(_count)
app = create_app()


@app.get("/calls")
def calls() -> Response:
    """Return how often each function was called: by the kind of thread and the name, built-in ones without a file."""
    found: dict[str, Counter[str]] = {}
    for kind, counter in list(_of_kind.items()):
        names = found[kind] = Counter()
        for called, count in list(counter.items()):
            names[called if isinstance(called, str) else f"{called.co_filename}:{called.co_qualname}"] += count
    return jsonify(found)
