"""The page's modules in few files. `make vendor` bundles `static/js` as `static/bundle`; the wheel has both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .assets import Assets
from .libraries import REMEDY

_MODULES: Final = "js/"
_BUNDLE: Final = "bundle/"
#: Written by static/bundle.mjs.
MANIFEST: Final = f"{_BUNDLE}manifest.json"


@dataclass(frozen=True)
class ModuleFiles:
    """Where a page finds its modules.

    Args:
        folder: The folder of `main.js`, below the static files.
        first: What the first view needs, below the static files. A page that names all of it lets the browser load it
            at once, and not one after the other.
        later: What an open page loads later, below the static files. It works with the first view of its own version
            only; with no bundle, none is named.
    """

    folder: str
    first: tuple[str, ...]
    later: frozenset[str] = frozenset()


@lru_cache(maxsize=1)  # the applications of a process have the same files
def module_files(assets: Assets) -> ModuleFiles:
    """Return the bundle; or the modules themselves, where there is no bundle or it was made of others.

    Args:
        assets: The page's files.
    """
    if not _has_bundle(assets):
        return ModuleFiles(_MODULES, ())
    first = tuple(f"{_BUNDLE}{name}" for name in json.loads(assets[MANIFEST].body)["first"])
    scripts = {name for name in assets if name.startswith(_BUNDLE) and name.endswith(".js")}
    return ModuleFiles(_BUNDLE, first, frozenset(scripts.difference(first)))


def describe_missing_bundle(assets: Assets) -> list[str]:
    """Say that the page loads each module by itself, and how to change that.

    Args:
        assets: The page's files.

    Returns:
        One message, or none if the bundle is there.
    """
    if module_files(assets).folder == _BUNDLE:
        return []
    state = "was made of other modules" if MANIFEST in assets else "is missing"
    return [
        f"the page loads each of its modules by itself, which takes longer: {assets.source}/bundle {state}; {REMEDY}"
    ]


def _has_bundle(assets: Assets) -> bool:
    if MANIFEST not in assets:
        return False
    summed = hashlib.sha256()
    for name in sorted(name for name in assets if name.startswith(_MODULES)):
        summed.update(f"{name.removeprefix(_MODULES)}\0".encode() + assets[name].body + b"\0")
    is_of_these: bool = json.loads(assets[MANIFEST].body)["sources"] == summed.hexdigest()
    return is_of_these
