"""The public names of the extension, from their docstrings, and the settings that an application may configure."""

from __future__ import annotations

import sluice
from sluice import Chat, ConversationStore, Refused, RunEnd, Sluice, ToolContext, ToolError
from sluice.service.settings.names import known_names
from sluice.web.app_config import settings_in_config
from sluice.web.page.embedding import PageParts

from .docstrings import describe, fields, prose_of, public_methods
from .markdown import code

# How an example names the object whose methods are decorators.
_OBJECT = "sluice"
# In other pages: docs/how-to/embed-bridge.md, and the application that wsgi.py serves.
_ELSEWHERE = {"Bridge", "LoopThread", "create_app", "__version__"}


def extension() -> str:
    """Return the sections of `Sluice` and its methods.

    Raises:
        ValueError: The package has a public name that this page does not describe.
    """
    described = {kind.__name__ for kind in (Sluice, Chat, RunEnd, Refused, ConversationStore, ToolContext, ToolError)}
    if missing := set(sluice.__all__) - described - _ELSEWHERE:
        raise ValueError(f"tools/reference/extension_page.py should describe {', '.join(sorted(missing))}")
    sections = [prose_of(Sluice), describe("Sluice(app, **options)", Sluice.__init__)]
    sections += [describe(f"{_OBJECT}.{name}", method) for name, method in public_methods(Sluice)]
    return "\n\n".join(sections)


def chat() -> str:
    """Return the fields and methods of `Chat`."""
    methods = [describe(f"chat.{name}", method) for name, method in public_methods(Chat)]
    return "\n\n".join([prose_of(Chat), fields(Chat), *methods])


def run_end() -> str:
    """Return the fields of `RunEnd`."""
    return "\n\n".join([prose_of(RunEnd), fields(RunEnd)])


def refused() -> str:
    """Return the section of `Refused`."""
    return "\n\n".join([prose_of(Refused), describe("Refused(public_message)", Refused.__init__)])


def tool_context() -> str:
    """Return the fields and methods of `ToolContext`, and what `ToolError` is."""
    methods = [describe(f"context.{name}", method) for name, method in public_methods(ToolContext)]
    return "\n\n".join([prose_of(ToolContext), fields(ToolContext), *methods, prose_of(ToolError)])


def conversation_store() -> str:
    """Return the methods of `ConversationStore`."""
    methods = [describe(f"store.{name}", method) for name, method in public_methods(ConversationStore)]
    return "\n\n".join([prose_of(ConversationStore), *methods])


def templates() -> str:
    """Return the sections of the functions that all templates of the application have."""
    functions = [PageParts.head, PageParts.chat, PageParts.signed_out, PageParts.forget]
    return "\n\n".join(describe(f"sluice_{function.__name__}()", function) for function in functions)


def config() -> str:
    """Return the lists of the settings that `app.config` may hold, and of the others."""
    names = [name for name in known_names() if not name.endswith("_FILE")]
    allowed = settings_in_config(dict.fromkeys(names, ""))
    others = [name for name in names if name not in allowed]
    return f"May be in `app.config`: {', '.join(map(code, allowed))}.\n\nMay not: {', '.join(map(code, others))}."
