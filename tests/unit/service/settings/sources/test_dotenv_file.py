"""`.env`: what its lines mean, and that no line is skipped in silence."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from sluice.service.settings.settings import Settings, SettingsError
from sluice.service.settings.sources.dotenv_file import parse_dotenv

FINE = [
    (b"", {}),
    (b"\n\n# a comment\n  # another\n", {}),
    (b"A=1", {"A": "1"}),
    (b"A = 1 # why\r\nB='2'\r\n", {"A": "1", "B": "2"}),
    (b"export A=1\nB=\n", {"A": "1", "B": ""}),
    (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
    (b'A="two\nlines"\nB=x\n', {"A": "two\nlines", "B": "x"}),
    (b'A="two\r\nlines"\r\n', {"A": "two\nlines"}),
    (b"A='it''s'\n", None),
    (b"A=${HOME} #x\n", {"A": "${HOME}"}),
    (b"A=\nA=1\nB=2\nB='2'\n", {"A": "1", "B": "2"}),
    (b"a.name-of.others=1\n", {"a.name-of.others": "1"}),
]


@pytest.mark.parametrize(("raw", "variables"), FINE)
def test_lines_mean_what_they_usually_mean(raw: bytes, variables: dict[str, str] | None) -> None:
    found, problems = parse_dotenv(raw)
    assert (found, problems) == (variables, []) if variables is not None else bool(problems)


BAD = [
    (b"A=1\n\n\nOPENAI_API_KEY sk-secret\n", 4, "cannot be parsed; it should be NAME=value"),
    (b"OPENAI_API_KEY: sk-secret\n", 1, "cannot be parsed"),
    (b"OPENAI_API_KEY\nA=1\n", 1, "has no `=`; it should be NAME=value"),
    (b"A=1\nsk-secret", 2, "has no `=`"),
    (b"=sk-secret\n", 1, "cannot be parsed"),
    (
        b"A=1\nOPENAI_API_KEY='sk-secret\nB=2\n",
        2,
        "cannot be parsed; it should be NAME=value, or a comment behind #. A value",
    ),
    (b'A="sk-secret" B\n', 1, "cannot be parsed"),
    (b'"OPENAI_API_KEY"="sk-secret"\n', 1, "has a name that is none; it should be of letters, digits and `_`"),
    ("A=1\n\u200bOPENAI_API_KEY=sk-secret\n".encode(), 2, "has a name that is none"),
    ("A=1\n\ufeffOPENAI_API_KEY=sk-secret\n".encode(), 2, "has a name that is none"),
    (b"\nA=sk-secret\nB=1\n\nexport A='2'\n", 2, "has no effect, because line 5 sets the same name to another value"),
    (b"A=sk-secret\nA=\n", 1, "has no effect, because line 2 sets the same name to another value"),
    (b"A=1\nB=sk-secret\0\n", 2, "has a NUL byte; it should be text"),
    (b"A=1\n\0\0\0\0", 2, "has a NUL byte"),
    (b"A=1\r\nB=2\r\n\xff\xfe", 3, "is not UTF-8; it should be"),
    ("OPENAI_API_KEY=sk-secret\n".encode("utf-16"), 1, "is not UTF-8"),
    ("OPENAI_API_KEY=sk-secret\n".encode("utf-16-le"), 1, "has a NUL byte"),
]


@pytest.mark.parametrize(("raw", "line", "said"), BAD)
def test_a_line_without_effect_is_refused_with_the_names_of_file_and_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, raw: bytes, line: int, said: str
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(raw)
    with caplog.at_level(logging.DEBUG), pytest.raises(SettingsError) as caught:
        Settings.load({}, path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}, line {line}, {said}")
    assert "secret" not in problem
    # python-dotenv itself would only log it.
    assert not caplog.records


def test_all_bad_lines_are_named_at_once() -> None:
    found, problems = parse_dotenv(b"A\nB=1\n\nC D\n")
    assert [re.match(r"line (\d+)", problem)[1] for problem in problems] == ["1", "4"]  # type: ignore[index]
    assert found == {"B": "1"}


@pytest.mark.parametrize("kind", ["a folder", "a link that leads nowhere"])
def test_a_dotenv_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".env"
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nothing")
    said = "is no regular file" if kind == "a folder" else "is a link to a file that is not there"
    with pytest.raises(SettingsError, match=rf"\.env {said}; it should be a text file that can be read, or not be"):
        Settings.load({}, path)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_SYSTEM_PROMPT", "SLUICE_STARTERS"])
def test_a_file_that_dotenv_names_is_looked_for_beside_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """And not where gunicorn was started, before `--chdir`."""
    (tmp_path / "deployed").mkdir()
    (tmp_path / "deployed" / "given").write_text('["x"]')
    (tmp_path / "deployed" / ".env").write_text(f"{variable}_FILE=given\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load({}, Path("deployed/.env")) == Settings.load({variable: '["x"]'})
