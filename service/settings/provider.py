"""The settings of the model's provider."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .fields import setting
from .parsers import count, header_word, model_names, number, parse_url, printable_text

#: What the openai package itself uses when it is given no base URL.
OPENAI_BASE_URL = "https://api.openai.com/v1"
#: The model for OpenAI itself where none is named: a small, current one (openai 3.54, `types/shared/chat_model.py`).
OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
DEMO_MODEL = "sluice-demo"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The provider's address, key and models, and how often a request is tried."""

    api_key: str = setting(
        "OPENAI_API_KEY",
        header_word,
        "",
        "The model provider's key. Or `OPENAI_API_KEY_FILE`: a file that holds it, such as a Docker or Kubernetes "
        "secret.",
        secret=True,
        from_file=True,
    )
    base_url: str = setting(
        "OPENAI_BASE_URL",
        parse_url,
        "",
        "Where the model answers; any OpenAI-compatible server, up to and with `/v1`.",
    )
    model: str = setting(
        "OPENAI_MODEL", printable_text, "", f"The model to ask. Default for OpenAI itself: `{OPENAI_DEFAULT_MODEL}`."
    )
    models: tuple[str, ...] = setting(
        "OPENAI_MODELS", model_names, (), "Further models that a request may name, with commas between them."
    )
    max_retries: int = setting(
        "OPENAI_MAX_RETRIES",
        count(0, 10, "retries"),
        2,
        "Further attempts after a failure that may pass, and only before the first token was shown.",
    )
    demo_tokens_per_second: float = setting(
        "SLUICE_DEMO_TOKENS_PER_SECOND", number(float, 1, 1e6, "tokens"), 60.0, "The pace of the demo model."
    )

    @property
    def is_demo(self) -> bool:
        """Whether the built-in demo model answers: neither a key nor a base URL is set."""
        return not self.api_key and not self.base_url

    @property
    def default_model(self) -> str:
        """The model for requests that name none."""
        return self.model or (DEMO_MODEL if self.is_demo else OPENAI_DEFAULT_MODEL)

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """The models that a request may name, the default one first."""
        return tuple(dict.fromkeys((self.default_model, *self.models)))

    @property
    def name(self) -> str:
        """The provider's name for metrics: a host, or `demo`."""
        return "demo" if self.is_demo else urlsplit(self.base_url or OPENAI_BASE_URL).hostname or ""

    def contradictions(self) -> list[str]:
        """Return one sentence for each pair of values that do not go together."""
        found = []
        if self.is_demo and self.model and self.model != DEMO_MODEL:
            found.append(
                f"OPENAI_MODEL is {self.model!r}, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: the "
                "scripted demo model answers under that name."
            )
        return found
