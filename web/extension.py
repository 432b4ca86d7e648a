"""What the application holds for its whole life: the service, and the watch over its clients."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from flask import Flask

from ..service import ChatService
from .sockets.client_socket import DisconnectWatcher

logger = logging.getLogger("sluice.web")

_NAME = "sluice"


def _cannot_tell() -> bool:
    return True


# What this process has made, for a server that is given an application inside of middleware.
_made: WeakSet[Sluice] = WeakSet()


# Compared by identity: a weak set needs its members' hashes.
@dataclass(eq=False)
class Sluice:
    """One per application, under `app.extensions["sluice"]`."""

    service: ChatService
    disconnects: DisconnectWatcher = field(init=False)
    #: Says whether the server has a thread left for others while a chat holds one. Set by a server that can tell.
    has_spare_thread: Callable[[], bool] = field(init=False, default_factory=lambda: _cannot_tell)
    #: What the operator should know, for the log of each process that serves.
    warnings: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the watch; it attaches to the loop with the first client."""
        self.disconnects = DisconnectWatcher(self.service.loop)
        _made.add(self)

    def log_warnings(self) -> None:
        """Log the warnings, and forget them. Any thread may call it, in a process that serves.

        Not when the application is made: the log may start a thread, and making an application starts none.
        """
        warnings, self.warnings = self.warnings, []
        for warning in warnings:
            logger.warning("%s", warning)

    def close(self) -> bool:
        """End everything. Returns whether it ended in time."""
        self.disconnects.close()
        return self.service.close()

    def attach(self, app: Flask) -> None:
        """Make it known to the application."""
        app.extensions[_NAME] = self

    @staticmethod
    def of(app: Flask) -> Sluice:
        """Find an application's own; `KeyError` where it has none."""
        found = app.extensions[_NAME]
        assert isinstance(found, Sluice)
        return found

    @staticmethod
    def found_in(application: Any) -> list[Sluice]:
        """Find those that a WSGI application uses.

        Returns:
            A Flask application's own; none where it has none. Where the application is no Flask application, such as
            one that is wrapped in middleware, all that this process has made and still holds.
        """
        if isinstance(application, Flask):
            found = application.extensions.get(_NAME)
            return [found] if isinstance(found, Sluice) else []
        return list(_made)
