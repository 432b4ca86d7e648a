"""Records of stored runs, as a table, as lines and for JSON. No texts of answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ...service.runs.stores.base import RunRecord, RunState, cut_id

#: As many as a store lists at once.
MOST_LISTED = 1000
# Characters of an owner's digest.
_OWNER_CHARS = 8
# A text of a model or a provider could move the terminal's cursor, or change its title.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HEAD = ("ID", "STATE", "REASON", "BEGAN", "EVENTS", "BYTES", "READ", "OWNER", "HOST")


def as_table(records: Sequence[RunRecord], now: float, *, is_full: bool) -> str:
    """Return a table for people.

    Args:
        records: One for each line.
        now: The time in seconds since 1970, for ages.
        is_full: Whether ids are whole.
    """
    if not records:
        return "no answers"
    rows = [_HEAD, *(_row(record, now, is_full=is_full) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return without_controls("\n".join(line.rstrip() for line in lines))


def without_controls(text: str) -> str:
    """Return a text for a terminal: control characters but tab and line feed are replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def as_lines(record: RunRecord, now: float) -> str:
    """Return one run, a line for each field."""
    fields = {
        "id": cut_id(record.run_id),
        "state": f"{record.state}{', its text is gone' if record.is_expired else ''}",
        "reason": record.reason or "-",
        "asked to stop": record.stop or "-",
        "began": _moment(record.created),
        "ended": _moment(record.ended),
        "kept until": _moment(record.expires),
        "events": str(record.last_number),
        "bytes": str(record.size),
        "read": _read(record, now),
        "owner": record.owner[:_OWNER_CHARS],
        "host": record.producer or "-",
    }
    return without_controls("\n".join(f"{name:14}{value}" for name, value in fields.items()))


def as_fields(record: RunRecord) -> dict[str, Any]:
    """Return one run for JSON, with its whole id. Times are seconds since 1970, and null where they are not yet."""
    return {
        "id": record.run_id,
        "state": str(record.state),
        "reason": record.reason or None,
        "stop": record.stop or None,
        "created": record.created,
        "ended": record.ended or None,
        "expires": record.expires or None,
        "last_event": record.last_number,
        "bytes": record.size,
        "attended_until": record.attended_until or None,
        "owner": record.owner,
        "host": record.producer or None,
        "is_expired": record.is_expired,
    }


def _row(record: RunRecord, now: float, *, is_full: bool) -> tuple[str, ...]:
    return (
        record.run_id if is_full else cut_id(record.run_id),
        str(record.state),
        record.reason or "-",
        f"{describe_seconds(now - record.created)} ago",
        str(record.last_number),
        str(record.size),
        _read(record, now),
        record.owner[:_OWNER_CHARS],
        record.producer or "-",
    )


def _read(record: RunRecord, now: float) -> str:
    if record.state is not RunState.RUNNING:
        return "-"
    if record.attended_until > now:
        return "now"
    since = record.attended_until or record.created
    return f"not for {describe_seconds(now - since)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"


def describe_seconds(seconds: float) -> str:
    """Return a duration in its largest unit; clocks may differ, so a negative one is 0 s."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
