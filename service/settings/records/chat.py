"""The settings of conversations: what a request may choose, and what is sent before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fields import Switch, setting
from ..parsers import one_of

InteractionMode = Literal["stream", "block"]


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The default mode, the system prompt, and what else requests may tell the model."""

    interaction_mode: InteractionMode | None = setting(
        "OPENAI_INTERACTION_MODE",
        one_of("stream", "block"),
        None,
        "`stream` or `block` for requests that name no mode; `block` where unset. Set to `block`, it holds for the "
        "page too, which streams otherwise.",
    )
    system_prompt: str = setting(
        "OPENAI_SYSTEM_PROMPT",
        str,
        "",
        "Sent before every conversation as the system message. Or `OPENAI_SYSTEM_PROMPT_FILE`: a file that holds it.",
        from_file=True,
    )
    allow_system_messages: Switch = setting(
        "SLUICE_ALLOW_SYSTEM_MESSAGES",
        one_of("on", "off"),
        "off",
        "`on` lets requests bring `system` and `developer` messages in `conversation_history`. For trusted clients "
        "only: such a message can take back what `OPENAI_SYSTEM_PROMPT` says.",
    )
    allow_system_prompt: Switch = setting(
        "SLUICE_ALLOW_SYSTEM_PROMPT",
        one_of("on", "off"),
        "off",
        "`on` lets requests bring a `system_prompt`, which is put behind `OPENAI_SYSTEM_PROMPT`; the page then "
        "offers it for each conversation. It can take back what `OPENAI_SYSTEM_PROMPT` says.",
    )
    allow_temperature: Switch = setting(
        "SLUICE_ALLOW_TEMPERATURE",
        one_of("on", "off"),
        "off",
        "`on` lets requests bring a `temperature` from 0 to 2; the page then offers it for each conversation. "
        "Some models refuse it.",
    )

    allow_images: Switch = setting(
        "SLUICE_ALLOW_IMAGES",
        one_of("on", "off"),
        "off",
        "`on` lets messages bring images, for a model that takes them; the page then offers to add some. Such "
        "requests are larger: see `SLUICE_MAX_IMAGE_BODY_BYTES`.",
    )

    @property
    def default_mode(self) -> InteractionMode:
        """The mode of API requests that name none."""
        return self.interaction_mode or "block"

    @property
    def page_mode(self) -> InteractionMode:
        """The page's mode: it streams unless the operator chose `block` explicitly."""
        return self.interaction_mode or "stream"
