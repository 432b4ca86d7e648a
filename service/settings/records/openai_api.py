"""The settings of the routes that speak OpenAI's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fields import Switch, setting
from ..parsers import count, field_names, one_of


@dataclass(frozen=True, slots=True)
class OpenAIApiSettings:
    """Whether `/v1` is served, and what its clients may ask for."""

    serves: Switch = setting(
        "SLUICE_OPENAI_API",
        one_of("on", "off"),
        "on",
        "`off` removes `/v1/chat/completions` and `/v1/models`, whose clients may send messages of any role and "
        "fields such as `tools`.",
    )
    max_completion_tokens: int = setting(
        "SLUICE_MAX_COMPLETION_TOKENS",
        count(0, 10_000_000, "tokens"),
        0,
        "The most tokens that a client of `/v1` may ask for by `max_tokens` or `max_completion_tokens`; larger "
        "numbers are lowered to it. `0` for no limit. Without either field, `SLUICE_MAX_ANSWER_CHARS` is "
        "the limit.",
    )
    extra_fields: tuple[str, ...] = setting(
        "SLUICE_OPENAI_FIELDS",
        field_names,
        (),
        "Further fields of requests to `/v1` that are passed on to the provider, with commas between them, such as "
        "`service_tier,web_search_options`.",
    )
    reasoning_names: Literal["as-sent", "both"] = setting(
        "SLUICE_REASONING_NAMES",
        one_of("as-sent", "both"),
        "as-sent",
        "`both` sends reasoning to clients of `/v1` as `reasoning_content` and as `reasoning`, whichever of them the "
        "provider uses: some clients know only one.",
    )
