"""Log lines: no key, no forged record, and the request's id on each."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from service.logs import REDACTED, LineFormatter, redact, request_id

SECRET = "the-operators-own-key"


@pytest.fixture(autouse=True)
def outside_of_any_request() -> Iterator[None]:
    """Begin without a request's id, whatever in-process requests other tests have left in this thread."""
    token = request_id.set("-")
    yield
    request_id.reset(token)


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(lines: io.StringIO) -> Iterator[logging.Logger]:
    """A logger whose lines are formatted as the server's are."""
    handler = logging.StreamHandler(lines)
    handler.setFormatter(LineFormatter((SECRET, "")))
    logger = logging.getLogger("sluice.test-logs")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key sk-abc123456 was refused", "key [key] was refused"),
        ("sk-proj-a_b-c.d123", "[key]"),
        ("sk-ant-api03-xyz_123", "[key]"),
        ("gsk_0123456789 and xai-0123456789", "[key] and [key]"),
        ("AIzaSyA-0123456789_abcdefghijkl", "[key]"),
        ("hf_abcdefghij", "[key]"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer [key]"),
        ("authorization: bearer   abc", "authorization: bearer   [key]"),
        ("{'api_key': 'sk-abc123456'}", "{'api_key': '[key]'}"),
        (f"it was {SECRET}!", "it was [key]!"),
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str, redacted: str) -> None:
    assert redact(text, (SECRET,)) == redacted


@pytest.mark.parametrize("text", ["ask-for-more words", "risk-free", "the sk-8 board", "task-123456789", "bearer"])
def test_ordinary_words_are_kept(text: str) -> None:
    assert redact(text) == text


def test_a_line_names_time_level_logger_request_and_message(logger: logging.Logger, lines: io.StringIO) -> None:
    logger.warning("%d of %s", 3, "four")
    date, time, rest = lines.getvalue().split(" ", 2)
    assert (len(date), len(time)) == (len("2026-01-31"), len("12:34:56.789"))
    assert rest == "WARNING sluice.test-logs [-] 3 of four\n"


def test_a_line_has_the_id_of_the_request_that_it_was_written_for(logger: logging.Logger, lines: io.StringIO) -> None:
    def handle(name: str) -> None:
        request_id.set(name)
        logger.info("handled")

    copy_context().run(handle, "request-1")
    copy_context().run(handle, "request-2")
    logger.info("outside")
    ids = [line.split("[")[1].split("]")[0] for line in lines.getvalue().splitlines()]
    assert ids == ["request-1", "request-2", "-"]


@pytest.mark.parametrize("where", ["message", "argument"])
@pytest.mark.parametrize("breaks", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"])
def test_a_break_that_a_stranger_wrote_does_not_begin_a_line(
    where: str, breaks: str, logger: logging.Logger, lines: io.StringIO
) -> None:
    forged = f"harmless{breaks}2026-01-01 00:00:00.000 CRITICAL sluice [-] forged"
    if where == "message":
        logger.info(forged)
    else:
        logger.info("%s", forged)
    assert len(lines.getvalue().splitlines()) == 1
    assert "harmless\\" in lines.getvalue()
    assert lines.getvalue().endswith(" forged\n")


def test_escapes_for_a_terminal_are_written_out(logger: logging.Logger, lines: io.StringIO) -> None:
    logger.info("\x1b[31mred\x07\x9b")
    assert lines.getvalue().endswith("\\x1b[31mred\\x07\\x9b\n")


def test_tabs_and_other_languages_are_kept(logger: logging.Logger, lines: io.StringIO) -> None:
    logger.info("a\tb 你好 🙂")
    assert lines.getvalue().endswith("a\tb 你好 🙂\n")


def test_keys_are_taken_out_of_arguments_and_tracebacks_too(logger: logging.Logger, lines: io.StringIO) -> None:
    try:
        raise ValueError(f"refused: {SECRET} and sk-abc123456")
    except ValueError:
        logger.exception("the key %s failed", SECRET)
    text = lines.getvalue()
    assert f"the key {REDACTED} failed" in text
    assert f"ValueError: refused: {REDACTED} and {REDACTED}" in text
    assert SECRET not in text
    assert "sk-abc" not in text


def test_a_traceback_is_kept_when_the_message_had_to_be_escaped(logger: logging.Logger, lines: io.StringIO) -> None:
    try:
        raise ValueError("the reason")
    except ValueError:
        logger.exception("two\nlines")
    assert "two\\nlines\n    Traceback" in lines.getvalue()
    assert "ValueError: the reason" in lines.getvalue()


def test_the_text_of_an_exception_cannot_forge_a_record(logger: logging.Logger, lines: io.StringIO) -> None:
    try:
        raise ValueError("\n2026-11-22 00:00:00.000 INFO sluice.run [-] run=forged")
    except ValueError:
        logger.exception("failed")
    first, *rest = lines.getvalue().splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in rest)


def test_other_handlers_see_the_record_as_it_was(logger: logging.Logger, lines: io.StringIO) -> None:
    plain = io.StringIO()
    other = logging.StreamHandler(plain)
    logger.addHandler(other)
    try:
        logger.info("two\n%s", "lines")
    finally:
        logger.removeHandler(other)
    assert plain.getvalue() == "two\nlines\n"
    assert lines.getvalue().endswith("two\\nlines\n")
