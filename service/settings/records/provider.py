"""The settings of the model's provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..fields import setting
from ..parsers import count, header_word, model_names, number, one_of, parse_url, printable_text
from ..providers import Api, Catalog, Provider

#: What the openai package itself uses when it is given no base URL.
OPENAI_BASE_URL = "https://api.openai.com/v1"
#: The model for OpenAI itself where none is named: a small, current one (openai 3.54, `types/shared/chat_model.py`).
OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
DEMO_MODEL = "sluice-demo"


def _path_or_off(text: str) -> str:
    if not text.isprintable():
        raise ValueError("off, or the path of a TOML file")
    return "" if text.lower() == "off" else text


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
    api: Api = setting(
        "OPENAI_API",
        one_of("chat", "responses"),
        "chat",
        "The API by which the model is asked: `chat` for `/chat/completions`, `responses` for `/responses`.",
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
    providers_file: str = setting(
        "SLUICE_PROVIDERS",
        _path_or_off,
        "",
        "A TOML file of several providers, their models and prices (docs/how-to/several-providers.md), instead of "
        "`OPENAI_API_KEY`, `OPENAI_BASE_URL` and `OPENAI_MODELS`; `off` for none, over one in `.env`.",
    )
    demo_tokens_per_second: float = setting(
        "SLUICE_DEMO_TOKENS_PER_SECOND", number(float, 1, 1e6, "tokens"), 60.0, "The pace of the demo model."
    )

    #: What `providers_file` holds. Not a setting of its own.
    catalog: Catalog = field(default=Catalog())

    @property
    def is_demo(self) -> bool:
        """Whether the built-in demo model answers: no key, no base URL and no file of providers is set."""
        return not (self.api_key or self.base_url or self.providers_file)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers, at least one; that of the demo model has no base URL yet."""
        if self.catalog.providers:
            return self.catalog.providers
        if self.is_demo:
            return (Provider(self.name, ""),)
        return (Provider(self.name, self.base_url or OPENAI_BASE_URL, self.api_key, api=self.api),)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be shown."""
        return tuple(provider.key for provider in self.providers)

    @property
    def default_model(self) -> str:
        """The model for requests that name none."""
        if self.model:
            return self.model
        return (*self.catalog.models, DEMO_MODEL if self.is_demo else OPENAI_DEFAULT_MODEL)[0]

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """The models that a request may name, the default one first."""
        return tuple(dict.fromkeys((self.default_model, *(self.catalog.models or self.models))))

    @property
    def name(self) -> str:
        """The name in metrics of the one provider: a host, or `demo`; empty where a file names several."""
        if self.providers_file:
            return ""
        return "demo" if self.is_demo else urlsplit(self.base_url or OPENAI_BASE_URL).hostname or ""

    def contradictions(self) -> list[str]:
        """Return one sentence for each pair of values that do not go together."""
        found = []
        if self.is_demo and self.model and self.model != DEMO_MODEL:
            found.append(
                f"OPENAI_MODEL is {self.model!r}, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: the "
                "scripted demo model answers under that name."
            )
        if self.is_demo and self.api != "chat":
            found.append("OPENAI_API has no effect: the demo model answers, which has the chat API alone.")
        is_other_api = self.api != "chat"
        others = {
            "OPENAI_API_KEY": self.api_key,
            "OPENAI_API": is_other_api,
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_MODELS": self.models,
        }
        if self.providers_file:
            found += [
                f"{name} has no effect with SLUICE_PROVIDERS: {self.providers_file} says which providers are asked."
                for name, value in others.items()
                if value
            ]
        return found
