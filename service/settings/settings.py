"""The environment, and a `.env` file under it, as one frozen record that is read once.

Every setting is a field here, with its environment variable, default, range and meaning; `.env.example` lists
the same, and a test holds the two against each other.
"""

from __future__ import annotations

import dataclasses
import re
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from .sources import find_text, read_dotenv
from .starters import Starters, parse_starters

InteractionMode = Literal["stream", "block"]
Switch = Literal["on", "off"]
LogFormat = Literal["text", "json"]

#: What the openai package itself uses when it is given no base URL.
OPENAI_BASE_URL = "https://api.openai.com/v1"
#: Asked of the real OpenAI where no model is named: a small, current one (openai 3.54, `types/shared/chat_model.py`).
OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
DEMO_MODEL = "sluice-demo"


class SettingsError(ValueError):
    """One or more settings are bad. The text names each variable, its value and what it should be."""

    #: The message says all that an operator needs; a traceback would add nothing.
    explains_itself = True

    def __init__(self, problems: list[str]) -> None:
        """Take one sentence for each bad setting."""
        self.problems = problems
        super().__init__("\n".join(problems))


def _setting(
    variable: str,
    parse: Callable[[str], Any],
    default: Any,
    meaning: str,
    *,
    secret: bool = False,
    from_file: bool = False,
) -> Any:
    metadata = {
        "variable": variable, "parse": parse, "meaning": meaning, "secret": secret, "from_file": from_file,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def _number(kind: type[int] | type[float], least: float, most: float, unit: str) -> Callable[[str], float]:
    of = f" of {unit}" if unit else ""
    expected = f"a {'whole ' if kind is int else ''}number{of} from {least:g} to {most:g}"

    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            raise ValueError(expected) from None
        if not least <= number <= most:  # also refuses NaN
            raise ValueError(expected)
        return number

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    return _number(float, least, most, "seconds")


def _count(least: int, most: int, unit: str) -> Callable[[str], float]:
    return _number(int, least, most, unit)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(" or ".join(words))
        return text.lower()

    return parse


def _url(text: str) -> str:
    expected = "a URL such as https://api.example.com/v1, in ASCII and without a query or a password"
    # Domains in other letters have a form in ASCII (xn--...). Which others are right, libraries disagree about.
    if not re.fullmatch(r"[!-~]{1,2000}", text) or set(text) & {"#", "\\"}:
        raise ValueError(expected)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises where the port is not a number)
        host = parts.hostname or ""
        if "[" in parts.netloc or re.fullmatch(r"[\d.]+", host):
            ip_address(host)
        else:
            host.encode("idna").decode("idna")  # lengths of its parts, and what is behind an xn--
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or "@" in parts.netloc:
        raise ValueError(expected)
    return text.rstrip("/")


def _url_is_public(text: str) -> bool:
    return "@" not in text and "?" not in text


def _header_word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("printable ASCII without spaces, because it is sent in a header")
    return text


def _name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("printable text")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not all(name.isprintable() for name in names):
        raise ValueError("names of models with commas between them")
    return names


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(host.strip().lower().removesuffix(".") for host in text.split(",") if host.strip()))
    # Other than in a base URL, a port or a scheme would be ignored, and the operator would think it mattered.
    if not hosts or not all(re.fullmatch(r"\*|\.?[a-z0-9_]+([.-]+[a-z0-9_]+)*", host) for host in hosts):
        raise ValueError(
            "names in ASCII with commas between them, such as chat.example.com, or .example.com for it and all below "
            "it, or * for any; without a scheme or a port"
        )
    return hosts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. Make it with `Settings.load()`, or directly in tests."""

    api_key: str = _setting(
        "OPENAI_API_KEY",
        _header_word,
        "",
        "The model provider's key. Or `OPENAI_API_KEY_FILE`: a file that holds it, such as a Docker or Kubernetes "
        "secret.",
        secret=True,
        from_file=True,
    )
    base_url: str = _setting(
        "OPENAI_BASE_URL",
        _url,
        "",
        "Where the model answers; any OpenAI-compatible server, up to and with `/v1`.",
    )
    model: str = _setting(
        "OPENAI_MODEL", _name, "", f"The model to ask. Default for OpenAI itself: `{OPENAI_DEFAULT_MODEL}`."
    )
    models: tuple[str, ...] = _setting(
        "OPENAI_MODELS", _names, (), "Further models that a request may name, with commas between them."
    )
    interaction_mode: InteractionMode | None = _setting(
        "OPENAI_INTERACTION_MODE",
        _one_of("stream", "block"),
        None,
        "`stream` or `block` for requests that name no mode; `block` where unset. Set to `block`, it holds for the "
        "page too, which streams otherwise.",
    )
    system_prompt: str = _setting(
        "OPENAI_SYSTEM_PROMPT",
        str,
        "",
        "Sent before every conversation as the system message. Or `OPENAI_SYSTEM_PROMPT_FILE`: a file that holds it.",
        from_file=True,
    )
    allow_system_messages: Switch = _setting(
        "SLUICE_ALLOW_SYSTEM_MESSAGES",
        _one_of("on", "off"),
        "off",
        "`on` lets requests bring `system` and `developer` messages in `conversation_history`. For trusted clients "
        "only: such a message can take back what `OPENAI_SYSTEM_PROMPT` says.",
    )
    max_retries: int = _setting(
        "OPENAI_MAX_RETRIES",
        _count(0, 10, "retries"),
        2,
        "Further attempts after a failure that may pass, and only before the first word was shown.",
    )

    connect_timeout: float = _setting(
        "SLUICE_CONNECT_TIMEOUT", _seconds(0.05, 300), 5.0, "Seconds to reach the model's server."
    )
    first_token_timeout: float = _setting(
        "SLUICE_FIRST_TOKEN_TIMEOUT",
        _seconds(0.05, 3600),
        60.0,
        "Seconds until the first word, retries included.",
    )
    next_token_timeout: float = _setting(
        "SLUICE_NEXT_TOKEN_TIMEOUT", _seconds(0.05, 3600), 30.0, "Seconds between two words."
    )
    total_timeout: float = _setting(
        "SLUICE_TOTAL_TIMEOUT", _seconds(0.05, 86400), 600.0, "Seconds for one whole answer."
    )
    heartbeat_interval: float = _setting(
        "SLUICE_HEARTBEAT_INTERVAL",
        _seconds(0.05, 3600),
        15.0,
        "Seconds of silence after which a comment is sent.",
    )
    write_timeout: float = _setting(
        "SLUICE_WRITE_TIMEOUT",
        _seconds(0.05, 3600),
        30.0,
        "Seconds that a client may take to accept a write.",
    )
    head_timeout: float = _setting(
        "SLUICE_HEAD_TIMEOUT",
        _seconds(0.05, 3600),
        10.0,
        "Seconds that a client may take to send the whole head of a request.",
    )
    body_timeout: float = _setting(
        "SLUICE_BODY_TIMEOUT",
        _seconds(0.05, 3600),
        20.0,
        "Seconds that a client may take to send the whole body of a request; one more for each 4 KiB that has come.",
    )
    drain_timeout: float = _setting(
        "SLUICE_DRAIN_TIMEOUT", _seconds(0, 3600), 25.0, "Seconds that open answers get to end after SIGTERM."
    )

    max_streams: int = _setting(
        "SLUICE_MAX_STREAMS", _count(1, 10_000, "streams"), 128, "Answers that one worker streams at once."
    )
    max_streams_per_client: int = _setting(
        "SLUICE_MAX_STREAMS_PER_CLIENT",
        _count(0, 10_000, "streams"),
        0,
        "How many of them one client's address may hold; 0 sets no such limit.",
    )
    reserve_threads: int = _setting(
        "SLUICE_RESERVE_THREADS",
        _count(1, 1_000, "threads"),
        16,
        "Threads of a worker that are kept for the page, health checks and refusals.",
    )
    max_body_bytes: int = _setting(
        "SLUICE_MAX_BODY_BYTES", _count(1_000, 2**30, "bytes"), 2**20, "The largest request body, in bytes."
    )
    max_message_chars: int = _setting(
        "SLUICE_MAX_MESSAGE_CHARS",
        _count(1, 2**30, "characters"),
        100_000,
        "The longest message, in characters.",
    )
    max_history: int = _setting(
        "SLUICE_MAX_HISTORY",
        _count(0, 100_000, "messages"),
        200,
        "The most messages in `conversation_history`.",
    )
    max_event_bytes: int = _setting(
        "SLUICE_MAX_EVENT_BYTES",
        _count(1_000, 2**30, "bytes"),
        2**20,
        "The largest single event accepted from a model, in bytes.",
    )
    # A million tokens, about: the longest answers that models give have 128,000, reasoning included.
    max_answer_chars: int = _setting(
        "SLUICE_MAX_ANSWER_CHARS",
        _count(1, 2**30, "characters"),
        4_000_000,
        "The longest answer accepted from a model, its reasoning included, in characters.",
    )
    demo_tokens_per_second: float = _setting(
        "SLUICE_DEMO_TOKENS_PER_SECOND", _number(float, 1, 1e6, "tokens"), 60.0, "The pace of the demo model."
    )
    log_level: str = _setting(
        "SLUICE_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "How much is logged."
    )
    log_format: LogFormat = _setting(
        "SLUICE_LOG_FORMAT",
        _one_of("text", "json"),
        "text",
        "`json` logs one JSON object a line; `text`, for people.",
    )

    starters: Starters | None = _setting(
        "SLUICE_STARTERS",
        parse_starters,
        None,
        "The questions that an empty page offers, as JSON: a list of texts, or of objects with `prompt` and `label`; "
        "or one list for each language, under `en` and `zh`. An empty list offers none. Default: the page's own. Or "
        "`SLUICE_STARTERS_FILE`: a file that holds it.",
        from_file=True,
    )

    host: str = _setting("HOST", _header_word, "127.0.0.1", "The address to listen on.")
    port: int = _setting("PORT", _count(0, 65535, ""), 8000, "The port to listen on; 0 picks a free one.")
    allowed_hosts: tuple[str, ...] = _setting(
        "SLUICE_ALLOWED_HOSTS",
        _hosts,
        (),
        "The names under which the server is reached, with commas between them; `.example.com` for that name and all "
        "below it, `*` for any. Requests for other names are refused; localhost and addresses always work. Default: "
        "any name where `SLUICE_TRUSTED_PROXIES` is set or `HOST` is not loopback, else none.",
    )
    trusted_proxies: int = _setting(
        "SLUICE_TRUSTED_PROXIES",
        _count(0, 10, "proxies"),
        0,
        "How many proxies stand in front, whose X-Forwarded-For is believed.",
    )
    client_ipv6_prefix: int = _setting(
        "SLUICE_CLIENT_IPV6_PREFIX",
        _count(32, 128, "bits"),
        64,
        "How many leading bits of an IPv6 address stand for one client; providers hand out networks of 64, 56 or 48.",
    )
    workers: int = _setting("WEB_CONCURRENCY", _count(1, 1_000, "workers"), 1, "Worker processes.")
    pin_cpu: Switch = _setting(
        "SLUICE_PIN_CPU",
        _one_of("on", "off"),
        "on",
        "`on` keeps each worker on one CPU while it has that one for itself; `off` leaves it to the system.",
    )

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv: Path | None = None) -> Settings:
        """Read the settings.

        Args:
            environ: Usually `os.environ`. A variable that is set but empty counts as not set.
            dotenv: A `.env` file, whose values stand where `environ` has none. Read without touching
                `os.environ`, so that no library sees a key which it was not given. In both, some settings may be
                in a file that is named instead (`setting_sources.py`).

        Raises:
            SettingsError: Values are bad; all of them are named, not only the first.
        """
        try:
            sources = (environ, read_dotenv(dotenv))
        except ValueError as error:
            raise SettingsError([str(error)]) from None
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field in dataclasses.fields(cls):
            variable = field.metadata["variable"]
            try:
                text = find_text(variable, sources, from_file=field.metadata["from_file"])
            except ValueError as error:
                problems.append(str(error))
                continue
            if not text:
                continue
            try:
                values[field.name] = field.metadata["parse"](text)
            except ValueError as error:
                # A URL that is refused may hold a password or a key.
                hidden = field.metadata["secret"] or ("://" in text and not _url_is_public(text))
                shown = "(hidden)" if hidden else repr(text)
                problems.append(f"{variable} is {shown}; it should be {error}.")
        no_model = not find_text("OPENAI_MODEL", sources, from_file=False)
        if "base_url" in values and no_model and "openai.com" not in values["base_url"]:
            problems.append(
                f"OPENAI_MODEL is not set; with OPENAI_BASE_URL={values['base_url']} it should name a model "
                "that is served there."
            )
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    # ------------------------------------------------------------------ what follows from the settings

    @property
    def demo(self) -> bool:
        """Whether the built-in demo model answers: neither a key nor a base URL is set."""
        return not self.api_key and not self.base_url

    @property
    def default_model(self) -> str:
        """The model for requests that name none."""
        return self.model or (DEMO_MODEL if self.demo else OPENAI_DEFAULT_MODEL)

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """The models that a request may name, the default one first."""
        return tuple(dict.fromkeys((self.default_model, *self.models)))

    @property
    def default_mode(self) -> InteractionMode:
        """The mode of API requests that name none."""
        return self.interaction_mode or "block"

    @property
    def page_mode(self) -> InteractionMode:
        """The page's mode: it streams unless the operator chose `block` explicitly."""
        return self.interaction_mode or "stream"

    @property
    def reachable_names(self) -> tuple[str, ...]:
        """The names under which the server is reached, besides loopback's: lower-case, `.name` for all below, or `*`.

        A page can point its own name at loopback (DNS rebinding), so a server there answers to none that was not
        allowed. A proxy passes on names that only its operator knows, and so does a network in which others reach us.
        """
        if self.allowed_hosts:
            return self.allowed_hosts
        return ("*",) if self.trusted_proxies or not _is_loopback(self.host) else ()

    @property
    def threads(self) -> int:
        """Threads of one worker: every stream holds one, and the reserve keeps everything else answering."""
        return self.max_streams + self.reserve_threads

    @property
    def graceful_timeout(self) -> int:
        """Seconds that gunicorn waits before it kills: the drain, and 5 for terminal frames and closing."""
        return int(self.drain_timeout) + 5

    @property
    def provider(self) -> str:
        """The provider's name for metrics: a host, or `demo`."""
        return "demo" if self.demo else urlsplit(self.base_url or OPENAI_BASE_URL).hostname or ""

    def contradictions(self) -> list[str]:
        """Say which numbers, each fine by itself, do not go together; one sentence each."""
        found = []
        if self.first_token_timeout > self.total_timeout:
            found.append(
                f"SLUICE_FIRST_TOKEN_TIMEOUT ({self.first_token_timeout:g} s) is longer than SLUICE_TOTAL_TIMEOUT "
                f"({self.total_timeout:g} s), which therefore ends the wait for the first word."
            )
        if self.connect_timeout > self.first_token_timeout:
            found.append(
                f"SLUICE_CONNECT_TIMEOUT ({self.connect_timeout:g} s) is longer than SLUICE_FIRST_TOKEN_TIMEOUT "
                f"({self.first_token_timeout:g} s), which therefore ends the attempt to connect."
            )
        if self.max_message_chars > self.max_body_bytes:
            found.append(
                f"SLUICE_MAX_MESSAGE_CHARS ({self.max_message_chars}) can never be reached: a body may have "
                f"SLUICE_MAX_BODY_BYTES ({self.max_body_bytes}) bytes."
            )
        if not _is_loopback(self.host) and not self.trusted_proxies:
            found.append(
                f"HOST is {self.host!r}, which is reached from other machines, and SLUICE_TRUSTED_PROXIES is 0: "
                "without a proxy in front, slow clients can hold all connections, and nothing is encrypted."
            )
            if not self.allowed_hosts:
                found.append(
                    f"HOST is {self.host!r}, and SLUICE_ALLOWED_HOSTS is not set: a page of any site can point its "
                    "name at this machine and read answers. It should list the names under which it is reached."
                )
        # A stream holds two descriptors (client and model); 64 cover the loop, logs, listeners and metrics.
        needed = 2 * self.max_streams + self.reserve_threads + 64
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY and needed > limit:
            found.append(
                f"SLUICE_MAX_STREAMS ({self.max_streams}) needs about {needed} open files in each worker, and "
                f"this process may open {limit}: raise `ulimit -n`."
            )
        if self.demo and self.model and self.model != DEMO_MODEL:
            found.append(
                f"OPENAI_MODEL is {self.model!r}, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: the "
                "scripted demo model answers under that name."
            )
        return found
