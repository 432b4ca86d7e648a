"""The page's files: kept in memory, and served under a path that names their version.

`/static/<version>/bundle/main.js`: the version is a hash over all files. A module's relative imports stay below it,
so a browser gets all of a page from one version and may keep each file for ever. A request for another version, or
for none, is redirected to this one. So no cache can hold one version's file under the name of another. What an open
page loads later is not redirected: a page of one version would run code of another.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Final

import brotli
from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

# The files that are served; a folder's other files (the build script, a stamp) are not. Not by `mimetypes`, whose
# table depends on the machine.
MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
# The best first. Brotli needs 10 to 20 % fewer bytes than gzip.
CODINGS: Final = ("br", "gzip")
# Brotli's best quality takes 2 ms a kilobyte and saves 10 %. For larger files the first client would wait too long.
BEST_QUALITY_BYTES: Final = 100_000

# Of a digest in an ETag. One change in 2^32 would be missed.
TAG_CHARS: Final = 8
VERSION_CHARS: Final = 16
FOR_EVER: Final = "max-age=31536000, immutable"

# Comments and indentation of the page's own style sheets. Modules lose theirs in the bundle.
_COMMENTS: Final = re.compile(r"[ \t]*/\*.*?\*/|^[ \t]+", re.MULTILINE | re.DOTALL)
# The unit `rem` of our style sheets: in somebody else's page, it would be that page's size (theme.css). Queries keep
# theirs, which is the browser's own size.
_SIZES = re.compile(r"(?<![\w.])(-?\d*\.?\d+)rem\b")
_QUERY = re.compile(r"^@(?:media|container)\b")
# The style sheets of the first view, in the order of their rules. They are also one file, which the page loads: each
# file costs a request and 300 bytes of headers, and together they compress better. Modules load the others later.
STYLE_SHEETS: Final = ("theme", "page", "transcript", "composer", "sidebar", "touch")
JOINED_STYLES: Final = "css/sluice.css"
# Files of others, whose comments contain licences.
_VENDOR = "vendor/"


@dataclass(frozen=True)
class Asset:
    """A body that does not change while the process lives. For any thread.

    Args:
        body: The bytes.
        media_type: The `Content-Type`.
    """

    body: bytes
    media_type: str
    # One entry for each coding, made on the first request. Two threads may both compress at first, and one result
    # stays. No lock, because it would have to survive a fork.
    _encoded: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """A hash of the bytes."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    @property
    def is_text(self) -> bool:
        """Whether compression helps. Fonts are compressed already."""
        return self.media_type.startswith("text/") or self.media_type in ("image/svg+xml", "application/json")

    def encode(self, coding: str) -> bytes:
        """Return the bytes in one of `CODINGS`. The first call for each compresses them."""
        if coding not in self._encoded:
            self._encoded[coding] = _compress(self.body, coding)
        return self._encoded[coding]

    def response(self, cache_control: str) -> Response:
        """Return the reply to the current request: compressed, in part, or not modified, as the request asks.

        Args:
            cache_control: The header `Cache-Control`.
        """
        is_part = _asks_for_part(len(self.body))
        # Ranges are of uncompressed bytes.
        accepted = request.accept_encodings if self.is_text and not is_part else ()
        coding = next((each for each in CODINGS if accepted and accepted.quality(each) > 0), None)
        body = self.encode(coding) if coding else self.body
        response = Response(body, content_type=self.media_type)
        if cache_control != FOR_EVER:  # what never changes is never asked for again
            tag = self.digest[:TAG_CHARS]
            response.set_etag(f"{tag}-{coding}" if coding else tag)
        response.headers["Cache-Control"] = cache_control
        if coding:
            response.headers["Content-Encoding"] = coding
        if self.is_text:
            response.vary.add("Accept-Encoding")
        response.make_conditional(request, accept_ranges=is_part, complete_length=len(body))
        # Ranges are served, but need not be announced with every file.
        response.headers.pop("Accept-Ranges", None)
        return response


def _asks_for_part(length: int) -> bool:
    """Return whether the current request asks for one range of a file's bytes.

    Others are ignored, as RFC 9110, section 14.2, allows: several ranges, and a Range that is invalid, in another
    unit, of another method than GET, or of more last bytes than there are. Werkzeug would answer 416.

    Args:
        length: The file's bytes.
    """
    asked = request.range
    if request.method != "GET" or asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return False
    start, _ = asked.ranges[0]
    return start is not None and start >= -length


def _compress(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 9, mtime=0)  # without a time, so that all workers' bytes are the same
    quality = 11 if len(body) <= BEST_QUALITY_BYTES else 5
    compressed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)
    return compressed


class Assets:
    """All files below a folder that a page may use, read once. May be made before a fork.

    A deploy changes the files on disk while workers run. Their copies do not change.

    Args:
        folder: Where the files are.

    Raises:
        OSError: A file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        #: The folder they were read from.
        self.source = folder
        paths = sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES and path.is_file())
        self._assets = {name: _asset(name, path) for path in paths if (name := path.relative_to(folder).as_posix())}
        sheets = [self._assets[name] for each in STYLE_SHEETS if (name := f"css/{each}.css") in self._assets]
        if sheets:
            self._assets[JOINED_STYLES] = Asset(b"\n".join(sheet.body for sheet in sheets), MEDIA_TYPES[".css"])
        summed = hashlib.sha256()
        for name, asset in self._assets.items():
            summed.update(f"{name}\0{asset.digest}\0".encode())
        self.version = summed.hexdigest()[:VERSION_CHARS]
        #: Their path relative to the page: `static/<version>`.
        self.folder = f"static/{self.version}"

    def __contains__(self, name: object) -> bool:
        return name in self._assets

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._assets)


def _asset(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    if path.suffix == ".css" and not name.startswith(_VENDOR):
        # Line numbers stay the same.
        body = _with_own_sizes(_COMMENTS.sub(lambda found: "\n" * found[0].count("\n"), body.decode())).encode()
    return Asset(body, MEDIA_TYPES[path.suffix])


def _with_own_sizes(text: str) -> str:
    """Return a style sheet whose sizes in `rem` are multiples of `--sluice-rem`."""
    return "\n".join(
        line if _QUERY.match(line) else _SIZES.sub(r"calc(\1*var(--sluice-rem))", line) for line in text.split("\n")
    )


@cache
def page_assets() -> Assets:
    """Return the files of the page, read once in a process."""
    return Assets(Path(__file__).parents[1] / "static")


def make_assets_blueprint(assets: Assets, later: frozenset[str], *, is_guest: bool) -> Blueprint:
    """Make the route `/static/<version>/<path:filename>`.

    Args:
        assets: The files.
        later: The modules that a page of this version alone may load.
        is_guest: Whether the application may have files of its own below `/static/`. A redirect of paths without a
            version would hide them.
    """
    version_of_path = f"<string(length={VERSION_CHARS}):version>" if is_guest else "<version>"
    blueprint = Blueprint("assets", __name__)

    @blueprint.get(f"/static/{version_of_path}/<path:filename>")
    def file(version: str, filename: str) -> AnyResponse:
        if version == assets.version:
            return assets[filename].response(FOR_EVER) if filename in assets else abort(HTTPStatus.NOT_FOUND)
        # A page of another version, before or after a deploy; or a path without a version.
        name = next((each for each in (filename, f"{version}/{filename}") if each in assets), None)
        if name is None or name in later:
            abort(HTTPStatus.NOT_FOUND)
        # Relative, because a proxy in front may have removed a prefix of the path.
        moved = redirect(
            posixpath.relpath(f"{assets.folder}/{name}", posixpath.dirname(f"static/{version}/{filename}"))
        )
        moved.headers["Cache-Control"] = "no-store"
        return moved

    return blueprint
