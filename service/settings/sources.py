"""The sources of settings: the environment, then a `.env` file, and files that either of them names."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

#: Behind a variable's name: the name of a file that holds its value, such as a Docker or Kubernetes secret.
FILE_SUFFIX = "_FILE"
# More than any key or prompt.
_MOST_BYTES = 2**20


def read_dotenv(path: Path | None) -> dict[str, str]:
    """Return the variables of a `.env` file; none where it does not exist.

    Raises:
        ValueError: It cannot be read, or is not UTF-8. The text is a sentence for the operator.
    """
    if path is None:
        return {}
    try:
        # Without interpolation, as a key or a prompt may contain a `$`.
        written = dotenv_values(path, interpolate=False)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8; it should be.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); it should be readable, or not there.") from None
    return {name: value for name, value in written.items() if value is not None}


def find_text(variable: str, sources: tuple[Mapping[str, str], ...], *, from_file: bool) -> str:
    """Return a variable's text without the white space around it; empty where it is not set.

    Args:
        variable: Its name.
        sources: Where to look; the first one with a text wins.
        from_file: Whether a variable with `_FILE` behind the name may name a file that holds it.

    Raises:
        ValueError: A source has both, or the file cannot be read. The text is a sentence for the operator.
    """
    for source in sources:
        text = source.get(variable, "").strip()
        path = source.get(variable + FILE_SUFFIX, "").strip() if from_file else ""
        if text and path:
            raise ValueError(f"{variable} and {variable}{FILE_SUFFIX} are both set; only one of them should be.")
        if path:
            return _read_file(variable, path)
        if text:
            return text
    return ""


def _read_file(variable: str, path: str) -> str:
    should = f"it should name a file that holds {variable}."
    try:
        # Not a pipe: the master and each worker read it, and could wait for a writer.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"{variable}{FILE_SUFFIX} is {path!r}, which is no regular file; {should}")
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(
            f"{variable}{FILE_SUFFIX} is {path!r}, which cannot be read ({error.strerror}); {should}"
        ) from None
    if len(raw) > _MOST_BYTES:
        raise ValueError(f"{variable}{FILE_SUFFIX} is {path!r}, which has more than {_MOST_BYTES} bytes; {should}")
    try:
        # Some editors put a byte order mark before the text.
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{variable}{FILE_SUFFIX} is {path!r}, which is not UTF-8; {should}") from None
    if not text:
        raise ValueError(f"{variable}{FILE_SUFFIX} is {path!r}, which is empty; {should}")
    return text
