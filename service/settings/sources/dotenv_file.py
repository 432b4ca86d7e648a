"""The text of a `.env` file -> its variables. A line without effect is reported."""

from __future__ import annotations

import io
import re

from dotenv.parser import Binding, parse_stream

# Names that other programs read may be in the file too.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def parse_dotenv(raw: bytes) -> tuple[dict[str, str], list[str]]:
    """Parse a `.env` file, without interpolation: a key or a prompt may contain a `$`.

    Args:
        raw: What the file holds.

    Returns:
        Its variables, and a clause for each bad line, to follow the file's name. No clause shows what the line holds,
        because it may be a key.
    """
    try:
        # Some editors put a byte order mark before the text.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return {}, [f"line {_line(raw[: error.start].decode(errors='replace'))}, is not UTF-8; it should be."]
    if "\0" in text:
        return {}, [f"line {_line(text.partition(chr(0))[0])}, has a NUL byte; it should be text."]
    variables: dict[str, str] = {}
    #: The line that set each of them.
    lines: dict[str, int] = {}
    problems: list[str] = []
    # Line ends of other systems become \n, also within quotes.
    for binding in parse_stream(io.StringIO(text, newline=None)):
        # The parser counts the empty lines before a binding to it.
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        problem = _problem(binding)
        if problem:
            problems.append(f"line {line}, {problem}")
        elif binding.key is not None:
            name, value = binding.key, binding.value or ""
            # An empty value counts as not set.
            if variables.get(name) and variables[name] != value:
                problems.append(
                    f"line {lines[name]}, has no effect, because line {line} sets the same name to another value; "
                    "one of the two should be removed."
                )
            variables[name], lines[name] = value, line
    return variables, problems


def _problem(binding: Binding) -> str | None:
    if binding.error:
        return (
            "cannot be parsed; it should be NAME=value, or a comment behind #. A value that begins with a quote "
            "should end with it."
        )
    if binding.key is None:
        return None
    if binding.value is None:
        return "has no `=`; it should be NAME=value, or a comment behind #."
    if not _NAME.fullmatch(binding.key):
        return "has a name that is none; it should be of letters, digits and `_`, without quotes around it."
    return None


def _line(before: str) -> int:
    return len(io.StringIO(before, newline=None).read().split("\n"))
