"""Log lines: no key, no forged record, and the request's id on each."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextvars import Context, copy_context

import pytest

from sluice.service.errors import UpstreamInvalid
from sluice.service.excerpts import excerpt
from sluice.service.observability.logging import (
    REDACTED,
    TEXT_CHARS,
    LineFormatter,
    Trace,
    log_formatter,
    redact,
    request_id,
    trace,
)
from sluice.service.service import _make_run_context

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


# ------------------------------------------------------------------------------------------------------------- JSON


@pytest.fixture
def json_lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def json_logger(json_lines: io.StringIO) -> Iterator[logging.Logger]:
    """A logger whose lines are JSON."""
    handler = logging.StreamHandler(json_lines)
    handler.setFormatter(log_formatter("json", (SECRET, 'with "quotes" and \\ in it', "x")))
    logger = logging.getLogger("sluice.test-json-logs")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_json_line_has_time_level_logger_request_trace_and_message(
    json_logger: logging.Logger, json_lines: io.StringIO
) -> None:
    record = json_logger.makeRecord("sluice.test-json-logs", logging.WARNING, "", 0, "%d of %s", (3, "四"), None)
    record.created = 1795910399.9996  # rounded up, it is another day
    json_logger.handle(record)
    within = copy_context()
    within.run(request_id.set, "request-1")
    within.run(trace.set, Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))
    within.run(json_logger.warning, "inside")
    outside, inside = map(json.loads, json_lines.getvalue().splitlines())
    assert outside == {
        "time": "2026-11-28T23:59:59.999Z",
        "level": "WARNING",
        "logger": "sluice.test-json-logs",
        "request_id": None,
        "trace_id": None,
        "span_id": None,
        "message": "3 of 四",
    }
    assert "四" in json_lines.getvalue()
    assert (inside["request_id"], inside["message"]) == ("request-1", "inside")
    assert (inside["trace_id"], inside["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def test_keys_are_taken_out_of_json_too_whatever_characters_they_have(
    json_logger: logging.Logger, json_lines: io.StringIO
) -> None:
    odd = 'with "quotes" and \\ in it'
    try:
        raise ValueError(f"refused: {SECRET}, {odd} and sk-abc123456")
    except ValueError:
        json_logger.exception("the keys %s and %s failed", SECRET, odd)
    fields = json.loads(json_lines.getvalue())
    assert fields["message"] == f"the keys {REDACTED} and {REDACTED} failed"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith(f"ValueError: refused: {REDACTED}, {REDACTED} and {REDACTED}")


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\u2028b", "a\x85b", "a\x00b", 'a"}\n{"b', "\udc80", "\x1b[31m"])
def test_a_json_record_is_one_line_and_gives_the_text_back(
    text: str, json_logger: logging.Logger, json_lines: io.StringIO
) -> None:
    json_logger.warning("%s", text)
    written = json_lines.getvalue().encode("utf-8", "backslashreplace").decode()
    assert len(written.splitlines()) == 1
    assert json.loads(written)["message"] == text


def test_another_handlers_text_of_an_exception_does_not_bring_the_keys_back(
    json_logger: logging.Logger, json_lines: io.StringIO
) -> None:
    plain = logging.StreamHandler(io.StringIO())
    json_logger.handlers.insert(0, plain)
    try:
        raise ValueError(SECRET)
    except ValueError:
        json_logger.exception("failed")
    finally:
        json_logger.removeHandler(plain)
    assert SECRET not in json_lines.getvalue()


def test_what_the_loop_logs_for_a_run_has_the_runs_request_and_trace() -> None:
    def submitted() -> Context:
        trace.set(Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))
        return _make_run_context("request-1")

    run = copy_context().run(submitted)
    assert (run[request_id], run[trace]) == (
        "request-1",
        Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"),
    )
    # And nothing else of the web request, which it would keep for as long as the answer.
    assert len(run) == 2


def test_a_trace_is_named_beside_the_request_in_text(logger: logging.Logger, lines: io.StringIO) -> None:
    within = copy_context()
    within.run(request_id.set, "request-1")
    within.run(trace.set, Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))
    within.run(logger.info, "inside")
    assert "[request-1 trace=4bf92f3577b34da6a3ce929d0e0e4736] inside\n" in lines.getvalue()


# ------------------------------------------------------------------ excerpts


def test_an_excerpt_is_the_beginning_and_says_how_long_the_text_was() -> None:
    assert excerpt("a short text", 20) == "a short text"
    assert excerpt("some words " * 100, 20) == "some words some ... (1100 characters)"
    assert excerpt('{"message": "' + "x" * 100, 20) == '{"message": "... (113 characters)'


def test_an_excerpt_of_one_endless_word_has_nothing_of_it() -> None:
    assert excerpt("k" * 1000, 20) == "... (1000 characters)"


@pytest.mark.parametrize("secret", ["a-configured-secret", "with:colons,and=signs==", "sk-abcdefghijklmnop"])
def test_no_excerpt_ends_in_the_beginning_of_a_key(secret: str) -> None:
    said = f"Incorrect key: {secret} is not known. " + "More words. " * 100
    for most in range(10, 80):
        left = redact(excerpt(said, most), (secret,))
        assert secret[:8] not in left, left


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_record_of_megabytes_is_bounded_and_has_both_ends(kind: str) -> None:
    formatter = log_formatter(kind, ("a-configured-secret",))
    try:
        raise ValueError("begins " + "a-configured-secret " * 100_000 + "ends")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "m" * 3_000_000, (), sys.exc_info())
    line = formatter.format(record)
    assert len(line) < 3 * TEXT_CHARS
    assert "characters left out" in line
    assert "mmm" in line
    assert "ends" in line
    assert "a-configured" not in line


def test_the_detail_of_a_failure_is_an_excerpt() -> None:
    error = UpstreamInvalid("words " * 1_000_000)
    assert len(error.detail) < 5000
    assert len(str(error)) < 5000
    assert "(6000000 characters)" in error.detail
