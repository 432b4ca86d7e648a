"""The sources of settings: the environment, then a `.env` file, and files that either of them names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .dotenv_file import parse_dotenv
from .stable_file import BadFile, read_stable

#: Behind a variable's name: the name of a file that holds its value, such as a Docker or Kubernetes secret.
FILE_SUFFIX = "_FILE"


class SettingFiles:
    """Reads the files of settings, each once, and remembers what they held."""

    def __init__(
        self,
        folder: Path,
        *,
        kept: Mapping[str, bytes | None] | None = None,
        earlier: Mapping[str, bytes | None] | None = None,
        settles: bool = False,
    ) -> None:
        """Take what is known of them.

        Args:
            folder: Where relative paths start.
            kept: What files held that are not to be read again, by their paths; None for one that was not there.
            earlier: What they held at the last start or reload. One that has gone may be about to be replaced.
            settles: Whether to wait for a file that is being written (`stable_file.py`).
        """
        self._folder = folder.resolve()
        self._earlier = earlier or {}
        self._settles = settles
        #: What each file held that was asked for, by its path.
        self.contents: dict[str, bytes | None] = dict(kept or {})

    def read(self, path: str | Path) -> bytes | None:
        """Return what a file holds; None where there is none.

        Raises:
            BadFile: It cannot be used.
        """
        # Not resolved: a link may lead elsewhere the next time.
        full = self._folder / path
        name = str(full)
        if name not in self.contents:
            was_there = bool(self._earlier.get(name))
            self.contents[name] = read_stable(full, settles=self._settles, was_there=was_there)
        return self.contents[name]


def read_dotenv(path: Path, files: SettingFiles) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a `.env` file, none where it does not exist; and a sentence for each problem."""
    try:
        raw = files.read(path.absolute())
    except BadFile as error:
        return {}, [f"{path} {error}; it should be a text file that can be read, or not be there."]
    variables, problems = parse_dotenv(raw or b"")
    return variables, [f"{path}, {problem}" for problem in problems]


def find_text(variable: str, sources: Sequence[Mapping[str, str]], files: SettingFiles | None) -> str:
    """Return a variable's text without the white space around it; empty where it is not set.

    Args:
        variable: Its name.
        sources: Where to look; the first one with a text wins.
        files: Reads the file that a variable with `_FILE` behind the name names; None where no file may hold it.

    Raises:
        ValueError: A source has both, or the file cannot be read. The text is a sentence for the operator.
    """
    for source in sources:
        text = source.get(variable, "").strip()
        path = source.get(variable + FILE_SUFFIX, "").strip() if files else ""
        if text and path:
            raise ValueError(f"{variable} and {variable}{FILE_SUFFIX} are both set; only one of them should be.")
        if path and files:
            try:
                return read_text(path, files)
            except BadFile as error:
                should = f"it should name a file that holds {variable}."
                raise ValueError(f"{variable}{FILE_SUFFIX} is {path!r}, which {error}; {should}") from None
        if text:
            return text
    return ""


def read_text(path: str, files: SettingFiles) -> str:
    """Return a file's text, without the white space around it.

    Raises:
        BadFile: There is none, it cannot be read, or it has no text.
    """
    if "\0" in path:
        raise BadFile("is no path")
    raw = files.read(path)
    if raw is None:
        raise BadFile("cannot be read (No such file or directory)")
    try:
        # Some editors put a byte order mark before the text.
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise BadFile("is not UTF-8") from None
    if not text:
        raise BadFile("is empty")
    return text
