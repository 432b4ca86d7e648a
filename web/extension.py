"""The Flask extension: adds the chat to an application, and asks the application's own functions."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload
from uuid import uuid4

from flask import Flask, Response, current_app, request

from ..service import ChatService, Settings
from ..service.chat import BeforeModel
from ..service.errors import ServiceError
from ..service.observability.logging import request_id
from ..service.settings.load import load_settings
from ..service.settings.names import warn_of_names
from ..service.settings.sources import kept_files
from ..service.tools.consent import NeedsConsent
from ..service.tools.tool import MAX_RESULT_BYTES, ToolFunction, make_tool
from .api.error_replies import make_error_response
from .api.item_stream import make_item_stream
from .app_config import settings_in_config
from .blueprint import NAME as BLUEPRINT
from .blueprint import make_guest_blueprint
from .cli.commands import sluice_commands
from .extension_state import ExtensionState
from .foreign_servers import describe_server, refuse_unfit_server
from .hook_types import check_hook, check_store
from .hooks import ConversationStore, Hooks, OnEnd, Prepare
from .page.assets import page_assets
from .page.bundle import describe_missing_bundle
from .page.libraries import describe_missing_libraries
from .replies.run_guard import RunGuard
from .security.sign_in import Authorize
from .security.trace_context import read_request_id

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
ToolF = TypeVar("ToolF", bound=ToolFunction)

#: Where the chat is, unless the application says otherwise.
DEFAULT_PREFIX = "/assistant"


class Sluice:
    """Streaming chat for a Flask application.

        app = Flask(__name__)
        sluice = Sluice(app, url_prefix="/assistant")

    Or `sluice = Sluice()`, and later `sluice.init_app(app)`: one object can serve several applications, each with
    settings, limits and metrics of its own. The hooks are functions of the object and are set before the first
    request:

    - `authorize` says who the user is. Without it, everybody who reaches the application can chat.
    - `prepare` completes a chat from the request: model, system message, further fields, context.
    - `before_model` runs on the loop before the model is asked, for what is asynchronous.
    - `conversations` keeps what the browser has for the next device.
    - `tool` adds a function that the model may call.
    - `on_end` gets the answer, or as much of it as there is.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        """Make the extension, and add it to an application if one is given.

        Args:
            app: The application.
            options: Those of `init_app`.
        """
        self._hooks = Hooks()
        if app is not None:
            self.init_app(app, **options)

    def init_app(
        self,
        app: Flask,
        *,
        url_prefix: str = DEFAULT_PREFIX,
        operations: bool = False,
        settings: Settings | None = None,
        service: ChatService | None = None,
    ) -> None:
        """Add the chat below a path of an application. Starts no thread, so it may be called before a fork.

        Args:
            app: The application. Its `config` may hold settings; they override the environment and `.env`.
            url_prefix: The path of the page; `/api/chat` and the rest are below it. `/` for the whole application.
            operations: Whether `/healthz`, `/readyz` and `/metrics` are below the path, too. Everybody may read them.
            settings: The settings, in place of those of `app.config`, the environment and `.env`.
            service: A service to use, with its own settings.

        Raises:
            RuntimeError: The application has this extension already, or another blueprint of the name `sluice`.
            SettingsError: Settings have bad values. The text names them.
            ThreadsReplaced: The process has no threads for streams: gevent, eventlet, or uWSGI's loop engines.
            ValueError: The path does not begin with a slash, or the application's rules name hosts (`host_matching`).
        """
        if ExtensionState.is_in(app):
            raise RuntimeError("this application has Sluice already; it should be added once")
        if BLUEPRINT in app.blueprints:
            raise RuntimeError(
                f"this application has a blueprint {BLUEPRINT!r} of its own; it should have another name, because "
                "the names of Sluice's routes begin with this one"
            )
        if app.url_map.host_matching:
            raise ValueError(
                "this application has host_matching, and Sluice's routes name no host; Sluice should be added to an "
                "application without it"
            )
        if not url_prefix.startswith("/"):
            raise ValueError(f"url_prefix is {url_prefix!r}; it should begin with a slash, such as {DEFAULT_PREFIX}")
        refuse_unfit_server()
        warnings = describe_server()
        if service is None:
            if settings is None:
                config = settings_in_config(app.config)
                loaded = load_settings(os.environ, Path(".env"), config=config, is_guest=True)
                settings = loaded.settings
                warnings += (f"skipped: {sentence}" for sentence in loaded.skipped)
                warnings += warn_of_names(config, " in app.config")
                # Sluice's configuration of gunicorn keeps files, and has named these in the log itself.
                if kept_files.kept() is None:
                    warnings += warn_of_names(os.environ)
                    warnings += warn_of_names(loaded.written, " in .env")
            service = ChatService(settings)
        assets = page_assets()
        state = ExtensionState(service, self._hooks, is_guest=True)
        state.warnings += [*warnings, *describe_missing_libraries(assets), *describe_missing_bundle(assets)]
        blueprint = make_guest_blueprint(state, assets, with_operations=operations)
        app.register_blueprint(blueprint, url_prefix=url_prefix.rstrip("/") or None)
        # Last, so that the application is as it was if any of this fails.
        state.attach(app)
        if sluice_commands.name not in app.cli.commands:
            app.cli.add_command(sluice_commands)
        app.wsgi_app = RunGuard(app.wsgi_app)  # type: ignore[method-assign]

    def close(self, app: Flask, *, drain: float = 0.0) -> bool:
        """End the open answers of an application with a terminal event, then its event loop. Waits.

        For the end of a process under a server without Sluice's hooks (docs/reference/servers.md). gunicorn's hooks
        do the same by themselves, and so does Python at its exit. Afterwards chats are refused. Any thread but the
        event loop's may call this; closing twice is harmless.

        Args:
            app: The application.
            drain: Seconds for which open answers may go on. `/readyz` says from the start that the process ends.

        Returns:
            Whether all ended in time.

        Raises:
            KeyError: The application does not have this extension.
        """
        return ExtensionState.of(app).end(drain)

    # ------------------------------------------------------------------ hooks

    def authorize(self, function: Authorize) -> Authorize:
        """Set the function that says who the user is. A decorator.

        It is called before each request of the page and the API, in the request's context, on the handler's thread.
        It returns the user's key, a text or a number that stays the same; or None for a visitor who should sign in;
        or a response such as a redirect to the sign-in. It may call `abort`. The page then answers as the
        application does; the API answers 401 or 403 in JSON. The application needs a `SECRET_KEY`: browsers keep each
        user's conversations under a key derived from both.

        Raises:
            RuntimeError: There is one already.
            TypeError: The function is asynchronous.
        """
        check_hook("authorize", function)
        return self._set("authorize", function)

    def prepare(self, function: Prepare) -> Prepare:
        """Set the function that completes a chat from the request. A decorator.

        It is called in the request's context, on the handler's thread, after the request was checked. It returns the
        chat, usually `chat.replace(...)`, with plain values only: the request is gone when the model is asked. It may
        call `abort`, or raise `Refused` with a sentence for the user.

        Raises:
            RuntimeError: There is one already.
            TypeError: The function is asynchronous.
        """
        check_hook("prepare", function)
        return self._set("prepare", function)

    def before_model(self, function: BeforeModel) -> BeforeModel:
        """Set the coroutine function that runs before the model is asked, such as a retrieval. A decorator.

        It runs on the loop, so it must not block, and has neither the request's nor the application's context. It
        returns the chat to send, or None for the same one. It may raise `Refused`. The limit for the first token
        holds for it and the model together. It is cancelled if the client disconnects.

        Raises:
            RuntimeError: There is one already.
            TypeError: The function is not asynchronous.
        """
        check_hook("before_model", function)
        return self._set("before_model", function)

    @overload
    def tool(self, function: ToolF) -> ToolF: ...

    @overload
    def tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        max_result_bytes: int = MAX_RESULT_BYTES,
        needs_consent: bool | NeedsConsent = False,
    ) -> Callable[[ToolF], ToolF]: ...

    def tool(self, function: Any = None, **options: Any) -> Any:
        """Add an async function that the model may call. A decorator, with or without options.

        The model is told its name, its docstring, and its parameters by their annotations: types that JSON has, with
        `Annotated[..., msgspec.Meta(...)]` for descriptions and limits, one `msgspec.Struct`, or one pydantic model.
        A parameter of the type `ToolContext` gets what is known of the run. Arguments are checked before the call.

        It runs on the loop, so it must not block, and has neither the request's nor the application's context. It
        returns a text, or anything JSON can express. A `ToolError` tells the model why it failed; of other exceptions
        the model is told the type, and the log has the traceback. It is cancelled with its run.

        Args:
            function: The function.
            options: `name` and `description` for the model, `timeout` in seconds (default: SLUICE_TOOL_TIMEOUT),
                `max_result_bytes` (default: 64 KiB), at which a result is cut, and `needs_consent`: whether a person
                has to allow each call, or an async function of the arguments that says so.

        Raises:
            RuntimeError: There is a tool of the same name.
            TypeError: The function is not asynchronous, or a parameter cannot be described.
            ValueError: It has no docstring, or an option is not valid.
        """

        def add(added: Any) -> Any:
            self._hooks.tools.add(make_tool(added, **options))
            return added

        return add if function is None else add(function)

    def on_end(self, function: OnEnd) -> OnEnd:
        """Set the function that is called once with the end of each run. A decorator.

        It is called in an application context, on the thread that closes the run: in block mode before the reply is
        sent, in stream mode after the last frame. Its exceptions are logged.

        Raises:
            RuntimeError: There is one already.
            TypeError: The function is asynchronous.
        """
        check_hook("on_end", function)
        return self._set("on_end", function)

    def conversations(self, store: type[ConversationStore]) -> type[ConversationStore]:
        """Set where the application keeps its users' conversations, so that they are on a user's next device.

        A decorator for a class with the methods of `ConversationStore`; it is made without arguments. Needs
        `authorize`. Conversations stay in the browser, too.

        Raises:
            RuntimeError: There is one already.
            TypeError: A method is missing or asynchronous.
        """
        check_store(store)
        self._set("conversations", store())  # type: ignore[type-var]
        return store

    def _set(self, name: str, function: F) -> F:
        if getattr(self._hooks, name) is not None:
            raise RuntimeError(f"{name} is set already; it should be set once")
        setattr(self._hooks, name, function)
        return function

    # ------------------------------------------------------------------ streams of the application's own

    def stream(self, source: AsyncIterable[T], *, encode: Callable[[T], str] = json.dumps) -> Response:
        """Return a response that streams an asynchronous source as server-sent events.

        The source runs on the loop, under the limits of chats: slots, heartbeats, `SLUICE_TOTAL_TIMEOUT`, the drain.
        It is cancelled if the client disconnects. Each item is the data of one event. An event `done` ends a whole
        stream, an event `error` with a code and a sentence another one.

        Args:
            source: Any asynchronous iterable. It must not block, and has no request context.
            encode: Makes the text of an item, on the loop. Default: JSON.

        Returns:
            The response; 503 in JSON where no slot is free. For the view that is called for a request.

        Raises:
            TypeError: The source is not asynchronous.
            KeyError: The application does not have this extension.
        """
        if not hasattr(source, "__aiter__"):
            raise TypeError(
                f"the source is of type {type(source).__name__}; it should be an asynchronous iterable, such as an "
                "async generator"
            )
        state = ExtensionState.of(current_app._get_current_object())  # type: ignore[attr-defined]
        request_id.set(read_request_id(request.headers.get("X-Request-Id")) or uuid4().hex)
        try:
            return make_item_stream(state, _encoded(source, encode), source="app")
        except ServiceError as error:
            state.service.metrics.refused(error.code)
            return make_error_response(error)


async def _encoded(source: AsyncIterable[T], encode: Callable[[T], str]) -> Any:
    async for item in source:
        yield encode(item)
