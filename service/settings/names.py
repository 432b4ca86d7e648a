"""Names that look like settings and are none: misspelt ones, and those of other programs that mean nothing here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from .fields import setting_fields
from .settings import Settings
from .sources import FILE_SUFFIX

# Ours, from a master to its workers.
_INTERNAL = {"SLUICE_METRICS_OWNER"}
# Docker's links and Kubernetes' services put such names into the environment of whatever is called "sluice".
_OF_A_SERVICE = re.compile(r"SLUICE_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?|NAME)")
# Of other programs of OpenAI's world, with which an environment may be shared.
_OF_OTHERS = {
    "OPENAI_ADMIN_KEY",
    "OPENAI_API_TYPE",
    "OPENAI_API_VERSION",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_LOG",
    "OPENAI_ORGANIZATION",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_WEBHOOK_SECRET",
}
# What decides in the openai package who pays, and is not sent by us.
_PAYERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
# How alike names are, from 0 to 1, so that one may be meant for the other. The prefix alone makes half of it.
_ALIKE = 0.8
# A name without a prefix is looked at in a .env file alone, and only if it is so long that likeness means something.
_LONG = 8


def unused_names(environ: Mapping[str, str], written: Mapping[str, str], settings: Settings) -> list[str]:
    """Say which variables have no effect, though their names look as if they had; one sentence each, without values.

    Args:
        environ: Usually `os.environ`.
        written: What a `.env` file has.
        settings: What was made of the two.
    """
    known = set(known_names())
    said = []
    for where, names in (("", environ), (" in .env", written)):
        for name in sorted(names):
            if name in known or name in _INTERNAL or name in _OF_OTHERS or not names[name].strip():
                continue
            if _OF_A_SERVICE.fullmatch(name) or (name == "SLUICE_PORT" and "://" in names[name]):
                continue
            meant = _meant(name, known)
            ours = name.upper().startswith("SLUICE_")
            theirs = name.upper().startswith("OPENAI_")
            if ours or (meant and (theirs or (where and len(name) >= _LONG))):
                question = f"; did you mean {meant}?" if meant else "."
                said.append(f"{name}{where} is no setting, and has no effect{question}")
    provider = settings.provider
    if not provider.is_demo and "openai.com" in (provider.base_url or "openai.com"):
        payers = [name for name in _PAYERS if (environ.get(name) or written.get(name, "")).strip()]
        said += [f"{name} is not used: the key alone decides which organization and project pay." for name in payers]
    return said


def known_names() -> list[str]:
    """Return the names of all variables that have an effect."""
    names = []
    for field, _ in setting_fields(Settings()):
        names.append(field.metadata["variable"])
        if field.metadata["from_file"]:
            names.append(field.metadata["variable"] + FILE_SUFFIX)
    return names


def _meant(name: str, known: set[str]) -> str | None:
    upper = name.upper()
    if upper in known:
        return upper
    # With another prefix, or with one that it does not have: SLUICE_MODEL, SLUICE_PORT.
    bare = upper.partition("_")[2]
    for candidate in (bare, f"OPENAI_{bare}", f"SLUICE_{bare}"):
        if candidate in known:
            return candidate
    return next(iter(get_close_matches(upper, sorted(known), n=1, cutoff=_ALIKE)), None)
