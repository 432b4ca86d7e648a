"""The settings of the page."""

from __future__ import annotations

from dataclasses import dataclass

from ..fields import setting
from ..parsers import frame_ancestors, header_text
from ..starters import Starters, parse_starters


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
    content_security_policy: str | None = setting(
        "SLUICE_CONTENT_SECURITY_POLICY",
        header_text,
        None,
        "The `Content-Security-Policy` of the page, or `off` for none. Default: the page's own, without inline "
        "scripts and other servers; none where the page has an application's layout, which needs the application's "
        "policy.",
    )
    frame_ancestors: str = setting(
        "SLUICE_FRAME_ANCESTORS",
        frame_ancestors,
        "none",
        "Which sites may show the page in a frame: `none`, or such as `self https://intranet.example.com`. It is the "
        "directive `frame-ancestors` of the policy.",
    )

    def contradictions(self) -> list[str]:
        """Return one sentence for each pair of values that do not go together."""
        policy = self.content_security_policy or ""
        if self.frame_ancestors == "none" or (policy.lower() != "off" and "frame-ancestors" not in policy):
            return []
        return [
            f"SLUICE_FRAME_ANCESTORS ({self.frame_ancestors}) has no effect, because SLUICE_CONTENT_SECURITY_POLICY "
            f"is {'off' if policy.lower() == 'off' else 'a policy with frame-ancestors of its own'}."
        ]
