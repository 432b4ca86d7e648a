"""The settings of the page."""

from __future__ import annotations

from dataclasses import dataclass

from .fields import setting
from .starters import Starters, parse_starters


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The settings of the page."""

    starters: Starters | None = setting(
        "SLUICE_STARTERS",
        parse_starters,
        None,
        "The questions that an empty page offers, as JSON: a list of texts, or of objects with `prompt` and `label`; "
        "or one list for each language, under `en` and `zh`. An empty list offers none. Default: the page's own. Or "
        "`SLUICE_STARTERS_FILE`: a file that holds it.",
        from_file=True,
    )
