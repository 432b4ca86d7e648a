"""The page's files: held in memory as they were at the start, under a name made of what they hold.

`/static/<version>/js/main.js`: the version is a hash over all files. A module's relative imports stay below it, so a
browser gets all of a page from one version and may keep each file for ever. Any other version, or none, is redirected
to this one and never answered under its own name, so that no cache can hold one version's file under another's name.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Final

import brotli
from flask import Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

# What is served; of a folder's other files (the build script, a stamp) nobody learns. Not by `mimetypes`, which goes
# by what the machine has installed.
MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
# The best first. Brotli takes a tenth to a fifth less than gzip.
CODINGS: Final = ("br", "gzip")
# Brotli's best quality takes 2 ms a kilobyte, and a tenth off; from here on it would keep the first reader waiting.
BEST_QUALITY_BYTES: Final = 100_000

# Of a digest in an ETag, which comes with each of many files: 1 in 2^32 changes would be missed.
TAG_CHARS: Final = 8
FOR_EVER: Final = "max-age=31536000, immutable"

# What is for people and for the checker: a third of our own files' bytes on the wire. A comment has its lines for
# itself, or stands at a line's end with no quote behind it, so that no text in quotes is taken for one. A template of
# several lines would be changed; our modules have none.
_FOR_PEOPLE: Final = {
    ".js": re.compile(
        r"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)$|[ \t]+// [^\"'`\n]*$|^[ \t]+", re.MULTILINE | re.DOTALL
    ),
    ".css": re.compile(r"[ \t]*/\*.*?\*/|^[ \t]+", re.MULTILINE | re.DOTALL),
}
# Below this folder nothing is ours: its comments hold licences.
_VENDOR = "vendor/"
_IMPORT = re.compile(r'^(?:import|export)\s(?:[^"\';]*?\sfrom\s)?\s*["\'](\.[^"\']+)["\']', re.MULTILINE)


@dataclass(frozen=True)
class Asset:
    """Something that does not change as long as the process lives. All methods may be called by any thread.

    Args:
        body: Its bytes.
        media_type: Its `Content-Type`.
    """

    body: bytes
    media_type: str
    # Filled when first asked for: at most one entry for each coding. Two threads that come first both compress, and
    # one result stays; a lock would have to survive a fork.
    _encoded: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """A name for its bytes."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    @property
    def is_text(self) -> bool:
        """Whether compressing it is of use; fonts are compressed already."""
        return self.media_type.startswith("text/") or self.media_type == "image/svg+xml"

    def encoded(self, coding: str) -> bytes:
        """Return its bytes in one of `CODINGS`; the first call for each takes as long as compressing does."""
        if coding not in self._encoded:
            self._encoded[coding] = _compress(self.body, coding)
        return self._encoded[coding]

    def response(self, cache_control: str) -> Response:
        """Answer the current request with it: compressed, in part, or as not modified, as the request has it.

        Args:
            cache_control: Who may keep the answer, and how long.
        """
        # Parts are of the bytes as they are: nobody can use the middle of a compressed file.
        accepted = request.accept_encodings if self.is_text and "Range" not in request.headers else ()
        coding = next((each for each in CODINGS if accepted and accepted.quality(each) > 0), None)
        body = self.encoded(coding) if coding else self.body
        response = Response(body, content_type=self.media_type)
        tag = self.digest[:TAG_CHARS]
        response.set_etag(f"{tag}-{coding}" if coding else tag)
        response.headers["Cache-Control"] = cache_control
        if coding:
            response.headers["Content-Encoding"] = coding
        if self.is_text:
            response.vary.add("Accept-Encoding")
        response.make_conditional(request, accept_ranges=True, complete_length=len(body))
        # Parts can be had, but need not be offered with every file.
        del response.headers["Accept-Ranges"]
        return response


def _compress(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 9, mtime=0)  # without a time, so that every worker's bytes are the same
    quality = 11 if len(body) <= BEST_QUALITY_BYTES else 5
    compressed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)
    return compressed


class Assets:
    """All files below a folder that a page may use, read once; it may be made before a fork.

    A deploy changes the files on the disk under the feet of running workers. What they hold does not change with it.

    Args:
        folder: Where the files are.

    Raises:
        OSError: A file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        #: Where they were read.
        self.source = folder
        paths = sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES and path.is_file())
        self._assets = {name: _asset(name, path) for path in paths if (name := path.relative_to(folder).as_posix())}
        summed = hashlib.sha256()
        for name, asset in self._assets.items():
            summed.update(f"{name}\0{asset.digest}\0".encode())
        self.version = summed.hexdigest()[:16]
        #: Where they are, as seen from the page: `static/<version>`.
        self.folder = f"static/{self.version}"

    def __contains__(self, name: object) -> bool:
        return name in self._assets

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._assets)

    def modules(self, entry: str) -> list[str]:
        """List a JavaScript module and all that it imports, directly or not; what it loads later is not among them.

        A browser that is told of them at once does not learn of each only from the one before.

        Args:
            entry: The module's name, such as `js/main.js`.
        """
        found = [entry]
        for name in found:  # grows as it goes
            for specifier in _IMPORT.findall(self._assets[name].body.decode()):
                imported = posixpath.normpath(posixpath.join(posixpath.dirname(name), specifier))
                if imported in self._assets and imported not in found:
                    found.append(imported)
        return found


def _asset(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    for_people = None if name.startswith(_VENDOR) else _FOR_PEOPLE.get(path.suffix)
    if for_people:
        # Each line keeps its number, which is what a browser's error message names.
        body = for_people.sub(lambda found: "\n" * found[0].count("\n"), body.decode()).encode()
    return Asset(body, MEDIA_TYPES[path.suffix])


def register_assets(app: Flask, assets: Assets) -> None:
    """Serve the files in place of Flask's own `static` route."""

    @app.get("/static/<version>/<path:filename>", endpoint="static")
    def static(version: str, filename: str) -> AnyResponse:
        if version == assets.version:
            return assets[filename].response(FOR_EVER) if filename in assets else abort(HTTPStatus.NOT_FOUND)
        # The page of another version, from before or after a deploy; or a name written by hand, without a version.
        name = next((each for each in (filename, f"{version}/{filename}") if each in assets), None)
        if name is None:
            abort(HTTPStatus.NOT_FOUND)
        # Relative, because a proxy in front may have taken away what the path begins with.
        moved = redirect(posixpath.relpath(f"/{assets.folder}/{name}", posixpath.dirname(request.path)))
        moved.headers["Cache-Control"] = "no-store"
        return moved
