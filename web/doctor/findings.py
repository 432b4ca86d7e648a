"""What `doctor` has seen: one finding a line, with what to change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: What to change where a part of the way collects an answer.
UNBUFFERED = (
    "A proxy collects the answer. nginx: remove `proxy_ignore_headers X-Accel-Buffering`, or set `proxy_buffering "
    "off;` for /api/chat. Others: switch response buffering off for text/event-stream. A WSGI middleware that reads "
    "whole replies does the same."
)


class Verdict(StrEnum):
    """Whether something is to be changed."""

    OK = "OK"
    CHANGE = "CHANGE"
    #: It was not seen, or is neither good nor bad.
    NOTE = "NOTE"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    #: What was seen.
    seen: str
    #: What to change; empty where there is nothing to change.
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:6}  {self.subject}: {self.seen}"
        return f"{line}\n        {self.advice}" if self.advice else line


def ok(subject: str, seen: str) -> Finding:
    """Return a finding of what is as it should be."""
    return Finding(subject, Verdict.OK, seen)


def change(subject: str, seen: str, advice: str) -> Finding:
    """Return a finding of what should be changed."""
    return Finding(subject, Verdict.CHANGE, seen, advice)


def note(subject: str, seen: str, advice: str = "") -> Finding:
    """Return a finding that is neither good nor bad."""
    return Finding(subject, Verdict.NOTE, seen, advice)
