"""Variables that look like settings and have no effect: misspelt names, and those of other programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from .fields import setting_fields
from .settings import Settings
from .sources.setting_files import FILE_SUFFIX

# Set by the gunicorn master for its workers.
_INTERNAL = {"SLUICE_METRICS_OWNER"}
# Docker and Kubernetes set these for a service whose name begins with "sluice", as "sluice" or "sluice-front".
_OF_A_SERVICE = re.compile(
    r"SLUICE_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)|SLUICE_NAME"
)
# This too, with a URL.
_ADDRESS_OF_A_SERVICE = re.compile(r"SLUICE_(\w+_)?PORT")
# Variables of other programs that use OpenAI.
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
# The openai package sends these, and they decide who pays; Sluice does not send them.
_PAYERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
# The likeness, from 0 to 1, at which a name is suggested. The prefix alone makes half of it.
_ALIKE = 0.8
# Characters from which a name without a prefix is checked, and only in a .env file.
_LONG = 8


def warn_of_unused_names(environ: Mapping[str, str], written: Mapping[str, str], settings: Settings) -> list[str]:
    """Return a sentence for each variable that looks like a setting and has no effect. Values are not shown.

    Args:
        environ: Usually `os.environ`.
        written: The variables of the `.env` file.
        settings: The settings that were made of both.
    """
    said = [*warn_of_names(environ), *warn_of_names(written, " in .env", is_dotenv=True)]
    if any("openai.com" in provider.base_url for provider in settings.provider.providers):
        payers = [name for name in _PAYERS if (environ.get(name) or written.get(name, "")).strip()]
        said += [f"{name} is not used: the key alone decides which organization and project pay." for name in payers]
    return said


def warn_of_names(variables: Mapping[str, str], where: str = "", *, is_dotenv: bool = False) -> list[str]:
    """Return a sentence for each variable of one source that looks like a setting and is none.

    Args:
        variables: The source's variables.
        where: Follows the name in the sentence.
        is_dotenv: Whether they are of a `.env` file, in which names without a prefix are checked too.
    """
    known = set(known_names())
    said = []
    for name in sorted(variables):
        if name in known or name in _INTERNAL or name in _OF_OTHERS or not variables[name].strip():
            continue
        is_address = _ADDRESS_OF_A_SERVICE.fullmatch(name) and "://" in variables[name]
        if is_address or _OF_A_SERVICE.fullmatch(name):
            continue
        meant = _meant(name, known)
        ours = name.upper().startswith("SLUICE_")
        theirs = name.upper().startswith("OPENAI_")
        if ours or (meant and (theirs or (is_dotenv and len(name) >= _LONG))):
            question = f"; did you mean {meant}?" if meant else "."
            said.append(f"{name}{where} is no setting, and has no effect{question}")
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
