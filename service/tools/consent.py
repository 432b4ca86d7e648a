"""Whether a person has to allow a call of a tool, and how one is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

#: Returns whether a call with these arguments needs a person's consent. Runs on the loop.
NeedsConsent: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[bool]]

# Results of calls that a person has not allowed.
DENIED: Final = "The person did not allow it."
UNDECIDED: Final = "The person did not decide in time, so it was not allowed."


class CannotAsk(Exception):
    """Nobody can be asked now. The text is for the log."""


class ConsentDesk(Protocol):
    """Asks the person who reads an answer. For the loop's thread."""

    async def ask(self, call_id: str) -> None:
        """Take decisions about a call from now on.

        Raises:
            CannotAsk: Decisions cannot be kept now.
        """

    async def wait(self, call_id: str, seconds: float) -> bool | None:
        """Wait for the decision about a call, at most so many seconds.

        Returns:
            Whether it is allowed; None where nobody has decided in time. It then stays denied.
        """
