"""A JSON body -> a checked chat request. An error names the field that is wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal, TypeVar, get_args

import msgspec
from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header

from ...service.chat import Chat
from ...service.decoding.think_tags import without_thinking
from ...service.message import Message, PastCall
from ...service.settings.fields import Switch
from ...service.settings.records.chat import InteractionMode
from ...service.settings.settings import Settings
from ...service.tools.results import to_text
from ..request_errors import InvalidRequest
from .body_errors import find_body_error, limit_announced_body
from .images import read_images

T = TypeVar("T", bound=msgspec.Struct)

Role = Literal["user", "assistant", "system", "developer"]
# Messages of these roles can override OPENAI_SYSTEM_PROMPT.
OPERATOR_ROLES = ("system", "developer")
_ROLES: tuple[str, ...] = get_args(Role)
_CLIENT_ROLES = tuple(role for role in _ROLES if role not in OPERATOR_ROLES)
Source = Literal["page", "api", "load-test"]
#: The range of OpenAI's API. Other providers take it as well.
MAX_TEMPERATURE = 2


class EarlierCall(msgspec.Struct):
    """A call of a tool, as `tool_calls` of a reply in block mode has it. Its further fields are not needed."""

    name: str
    arguments: str
    #: What the model was told; cut at the limit of a message. A call without it is left out.
    text: str | None = None


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """One turn of the conversation so far."""

    role: Role
    content: str
    images: list[str] = []
    #: The calls that the answer has made before its text.
    tool_calls: list[EarlierCall] = []


class ChatBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a chat request, as far as types describe it. `read_chat_request` checks the rest."""

    message: str
    images: list[str] = []
    conversation_history: list[Turn] = []
    interaction_mode: InteractionMode | None = None
    source: Source = "api"
    model: str | None = None
    system_prompt: str | None = None
    temperature: float | None = None
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    background: bool = False


class ChatRequest(msgspec.Struct, frozen=True):
    """A checked chat request."""

    chat: Chat
    #: Whether the answer goes on where its client has disconnected.
    continues: bool
    #: Whether the client wants no stream, and reads the answer later.
    is_background: bool
    #: The client's `Idempotency-Key`; empty for none.
    key: str
    #: A digest of the body.
    digest: str

    def with_key(self, key: str) -> ChatRequest:
        """Return the same under another key."""
        return msgspec.structs.replace(self, key=key)


_decoder = msgspec.json.Decoder(ChatBody)
# msgspec writes `Expected `str`, got `int` - at `$.conversation_history[...].role``.
_PLACE = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
_ALLOWED = {
    "source": get_args(Source),
    "interaction_mode": get_args(InteractionMode),
    "on_disconnect": ("cancel", "continue"),
}
# Stripe's limit, and that of the IETF's draft: printable ASCII.
_KEY = re.compile(r"[!-~]{1,255}")
# msgspec names types as Python does; the client writes JSON.
_PYTHON_TYPE = re.compile(r"\b(str|int|float|bool)\b")
_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_NAMED = re.compile(r"^Object (?:contains unknown field|missing required field) `(?P<name>[^`]*)`")


def read_chat_request(request: Request, settings: Settings, *, run_id: str, user: str) -> ChatRequest:
    """Read and check a chat request.

    Args:
        request: Flask's request; its body is read here.
        settings: The limits, the allowed models, the system message and the default mode.
        run_id: The id of the request.
        user: The key of the signed-in user; empty for none.

    Raises:
        InvalidRequest: It is not of the documented form. The error has the status, the reason and the field.
    """
    raw = read_body(request, settings.max_chat_body_bytes)
    return check_chat(request, decode_body(_decoder, raw, settings), raw, settings, run_id=run_id, user=user)


def check_chat(
    request: Request, body: ChatBody, raw: bytes, settings: Settings, *, run_id: str, user: str
) -> ChatRequest:
    """Check a chat request whose types are right.

    Args:
        request: Flask's request, for its headers.
        body: What is asked.
        raw: The body as it came.
        settings: As `read_chat_request`.
        run_id: As `read_chat_request`.
        user: As `read_chat_request`.

    Raises:
        InvalidRequest: As `read_chat_request`.
    """
    _check_text(body.message, "message", settings)
    if len(body.conversation_history) > settings.limits.max_history:
        raise InvalidRequest(
            f"`conversation_history` should have at most {settings.limits.max_history} messages.",
            field="conversation_history",
            status=413,
        )
    if (body.on_disconnect == "continue" or body.background) and settings.storage.is_off:
        raise InvalidRequest(
            "`on_disconnect` should be `cancel`, and `background` false: answers are not kept here. The operator can "
            "change that by SLUICE_STORE.",
            field="background" if body.background else "on_disconnect",
        )
    history = _read_history(body.conversation_history, settings)
    if body.model is not None and body.model not in settings.provider.allowed_models:
        raise InvalidRequest(f"`model` should be {choice_of(settings.provider.allowed_models)}.", field="model")
    chat = Chat(
        messages=(*history, _read_message("user", body.message, body.images, "images", settings)),
        model=body.model or settings.provider.default_model,
        # Nobody waits for an answer in the background: it is read as a stream.
        mode="stream" if body.background else body.interaction_mode or _choose_mode(request, settings),
        system="\n\n".join(filter(None, (settings.chat.system_prompt, _read_system_prompt(body, settings)))),
        extra=_read_temperature(body, settings),
        user=user,
        source=body.source,
        run_id=run_id,
    )
    continues = body.on_disconnect == "continue" or body.background
    return ChatRequest(
        chat=chat,
        continues=continues,
        is_background=body.background,
        # As WSGI has it: a look into `request.headers` takes five calls.
        key="" if (key := request.environ.get("HTTP_IDEMPOTENCY_KEY")) is None else _check_key(key, continues),
        digest=hashlib.sha256(raw).hexdigest() if continues else "",
    )


def _check_key(key: str, continues: bool) -> str:
    if not continues:
        raise InvalidRequest(
            'Idempotency-Key names an answer that goes on without its client: the body should have "on_disconnect": '
            '"continue", or the header should be left out.',
            field="on_disconnect",
        )
    if not _KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key should be 1 to 255 printable ASCII characters without spaces.")
    return key


def read_body(request: Request, limit: int) -> bytes:
    """Read the body of a request that should be JSON, within the limit of its size.

    Args:
        request: Flask's request.
        limit: The most bytes.

    Raises:
        InvalidRequest: The type is another one, or the body is too large, too slow or broken.
    """
    if request.mimetype != "application/json":
        # The sentence does not quote the type, which is the client's text.
        raise InvalidRequest("The Content-Type should be application/json.", status=415)
    if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        # RFC 9110, section 15.5.16.
        raise InvalidRequest(
            "The body should be sent without a Content-Encoding.", status=415, headers={"Accept-Encoding": "identity"}
        )
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    # For bodies without a length. One more than allowed: at its limit, Werkzeug (3.1) truncates a body silently.
    request.max_content_length = limit + 1
    limit_announced_body(request.environ, limit)
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    except ClientDisconnected:
        refused = find_body_error(request.environ)
        if refused is not None and refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise _too_large(limit) from None
        if refused is not None and refused.status == HTTPStatus.REQUEST_TIMEOUT:
            raise refused from None
        if request.content_length is None:
            sentence = "The chunks of the body are broken. They should be framed as in RFC 9112, section 7.1."
            raise InvalidRequest(sentence) from None
        raise InvalidRequest("The body is shorter than its Content-Length. The two should match.") from None
    if len(raw) > limit:
        raise _too_large(limit)
    return raw


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(f"The body should be at most {limit} bytes.", status=413)


def list_allowed_roles(settings: Settings) -> tuple[str, ...]:
    """Return the roles that a message in the history may have."""
    return _ROLES if settings.chat.allow_system_messages == "on" else _CLIENT_ROLES


def _read_history(turns: Sequence[Turn], settings: Settings) -> list[Message]:
    """Check the conversation so far, and return the messages for the model."""
    history: list[Message] = []
    allowed = list_allowed_roles(settings)
    for index, turn in enumerate(turns):
        place = f"conversation_history[{index}]"
        if turn.role not in allowed:
            raise InvalidRequest(
                f"`{place}.role` is `{turn.role}`, but instructions to the model are the operator's "
                f"(OPENAI_SYSTEM_PROMPT); it should be {choice_of(allowed)}. The operator can allow it by "
                "SLUICE_ALLOW_SYSTEM_MESSAGES=on.",
                field=f"{place}.role",
            )
        content = turn.content
        if turn.role == "assistant":
            content = without_thinking(content)
        elif turn.tool_calls:
            raise InvalidRequest(
                f"`{place}.tool_calls` should be left out: only messages of the assistant have calls.",
                field=f"{place}.tool_calls",
            )
        calls = _read_calls(turn.tool_calls, settings)
        if turn.role == "assistant" and not content.strip():
            # An answer that ended before its first token. Some providers refuse empty messages.
            if not calls:
                continue
            content = ""
        else:
            _check_text(turn.content, f"{place}.content", settings)
        # Every provider knows `system`. OpenAI treats it as `developer` for models that have that role.
        role: Literal["user", "assistant", "system"] = "system" if turn.role == "developer" else turn.role
        if turn.images and role != "user":
            raise InvalidRequest(
                f"`{place}.images` should be left out: only messages of the user have images.",
                field=f"{place}.images",
            )
        message = _read_message(role, content, turn.images, f"{place}.images", settings)
        if calls:
            message["past_calls"] = calls
        history.append(message)
    return history


def _read_calls(calls: Sequence[EarlierCall], settings: Settings) -> list[PastCall]:
    """Return the calls that have a result. Too long a result is cut: clients send back what they have got."""
    most = settings.limits.max_message_chars
    return [
        PastCall(name=call.name, arguments=call.arguments, text=to_text(call.text, most))
        for call in calls
        if call.text is not None
    ]


def _read_message(role: str, text: str, images: Sequence[str], field: str, settings: Settings) -> Message:
    """Return a message: its text, or its text and its images as parts."""
    if not images:
        return Message(role=role, content=text)
    _check_allowed(field, settings.chat.allow_images, "SLUICE_ALLOW_IMAGES")
    return Message(role=role, content=[{"type": "text", "text": text}, *read_images(images, field)])


def _read_system_prompt(body: ChatBody, settings: Settings) -> str:
    if body.system_prompt is None:
        return ""
    _check_allowed("system_prompt", settings.chat.allow_system_prompt, "SLUICE_ALLOW_SYSTEM_PROMPT")
    _check_text(body.system_prompt, "system_prompt", settings)
    return body.system_prompt


def _read_temperature(body: ChatBody, settings: Settings) -> dict[str, float]:
    if body.temperature is None:
        return {}
    _check_allowed("temperature", settings.chat.allow_temperature, "SLUICE_ALLOW_TEMPERATURE")
    if not 0 <= body.temperature <= MAX_TEMPERATURE:
        raise InvalidRequest(f"`temperature` should be a number from 0 to {MAX_TEMPERATURE}.", field="temperature")
    return {"temperature": body.temperature}


def _check_allowed(field: str, switch: Switch, variable: str) -> None:
    if switch == "off":
        raise InvalidRequest(
            f"`{field}` is the operator's choice here, and should be left out. The operator can allow it by "
            f"{variable}=on.",
            field=field,
        )


def _choose_mode(request: Request, settings: Settings) -> InteractionMode:
    accepted = request.accept_mimetypes
    # Only where it is named: every client sends `*/*`.
    named = [quality for kind, quality in accepted if parse_options_header(kind)[0].lower() == "text/event-stream"]
    if not named:
        return settings.chat.default_mode
    return "stream" if 0 < max(named) >= accepted.quality("application/json") else "block"


def decode_body(decoder: msgspec.json.Decoder[T], raw: bytes, settings: Settings) -> T:
    """Decode a body, as far as types describe it.

    Raises:
        InvalidRequest: It is of another form. The error names the field.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        text = str(error)
        place, named = _PLACE.search(text), _NAMED.search(text)
        path = [place["field"]] if place and place["field"] else []
        # Where a field is missing or unknown, msgspec gives the path of its object.
        path += [named["name"]] if named else []
        field = ".".join(path)[:200] or None
        # Bounded, because it quotes the name of an unknown field, which the client chose.
        what = _PLACE.sub("", text)[:200]
        if what.startswith("Expected"):
            what = _PYTHON_TYPE.sub(lambda found: _JSON_TYPES[found[0]], what)
        choices = {**_ALLOWED, "role": list_allowed_roles(settings)}
        allowed = choices.get(field.rpartition(".")[2]) if field and what.startswith("Invalid enum") else None
        if allowed is not None:
            raise InvalidRequest(f"`{field}` should be {choice_of(allowed)}.", field=field) from None
        if named and not path[1:] and what.startswith("Object contains unknown"):
            names = ", ".join(f"`{each.encode_name}`" for each in msgspec.structs.fields(decoder.type))
            raise InvalidRequest(f"`{field}` is none of the fields, which are {names}.", field=field) from None
        where = f" in `{place['field']}`" if place and place["field"] else ""
        raise InvalidRequest(f"{what}{where}.", field=field) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body should be UTF-8.") from None
    except (msgspec.DecodeError, RecursionError):
        # The error's own text may quote bytes of the body.
        raise InvalidRequest('The body should be a JSON object such as {"message": "Hello"}.') from None


def choice_of(words: Sequence[str]) -> str:
    """Return what one may choose of, for a sentence."""
    return " or ".join(f"`{word}`" for word in words)


def _check_text(text: str, field: str, settings: Settings) -> None:
    if not text.strip():
        raise InvalidRequest(f"`{field}` should not be blank.", field=field)
    check_length(text, field, settings)


def check_length(text: str, field: str, settings: Settings) -> None:
    """Refuse a text of a message that is longer than it may be.

    Raises:
        InvalidRequest: 413.
    """
    if len(text) > settings.limits.max_message_chars:
        raise InvalidRequest(
            f"`{field}` should have at most {settings.limits.max_message_chars} characters.", field=field, status=413
        )
