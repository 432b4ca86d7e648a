"""The functions by which an application decides who chats, about what, and what becomes of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..service.chat import BeforeModel, Chat
from ..service.runs.run_end import RunEnd
from .security.sign_in import Authorize

Prepare: TypeAlias = Callable[[Chat], Chat]
OnEnd: TypeAlias = Callable[[RunEnd], None]


@dataclass
class Hooks:
    """The functions of one extension, set before the first request. `Sluice` documents each."""

    authorize: Authorize | None = None
    prepare: Prepare | None = None
    before_model: BeforeModel | None = None
    on_end: OnEnd | None = None
