"""The tree of errors.

FrontdeskError
├── ConfigError          core.config: the file is wrong, exit 2
├── Refused              an action that cannot be done; the API answers `status`
│   ├── Malformed 400    ├── SignedOut 401    ├── Forbidden 403   ├── NotFound 404
│   ├── Conflict 409     ├── TooLarge 413     ├── Impossible 422  ├── TooMany 429
│   └── Unavailable 503  the store is full, locked, gone, or the answer of COMMIT was lost
├── SendError            what a channel says of one send
│   ├── Rejected  ├── Throttled  ├── WindowClosed  ├── AuthDead  ├── Unreachable  └── Ambiguous
├── StoreBusy            the store could not take the batch; nothing was written
├── StoreLost            COMMIT was sent and no answer came; nobody knows
└── NotLoaded            a decision read a key that the batch has not loaded yet
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar


class FrontdeskError(Exception):
    """Anything we raise on purpose."""


class Refused(FrontdeskError):
    """The action cannot be done. `code` is stable, the message is for people."""

    status: ClassVar[int] = 400
    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Say what is wrong and what to do; `retry_after` is in seconds."""
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.retry_after = retry_after


class Malformed(Refused):
    """The request cannot be read."""

    status = 400
    code = "malformed"


class SignedOut(Refused):
    """Nobody is signed in, or the credentials are wrong."""

    status = 401
    code = "signed_out"


class Forbidden(Refused):
    """You may know of it, but not do this with it."""

    status = 403
    code = "forbidden"


class NotFound(Refused):
    """It does not exist, or you may not know of it: both look the same."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "There is no such thing here.") -> None:
        """Give every missing and every hidden thing the same words."""
        super().__init__(message)


class Conflict(Refused):
    """Somebody else was first, or it is not your conversation."""

    status = 409
    code = "conflict"


class TooLarge(Refused):
    """The body is larger than allowed."""

    status = 413
    code = "too_large"


class Impossible(Refused):
    """It is understood and cannot be: topic missing, window closed."""

    status = 422
    code = "impossible"


class TooMany(Refused):
    """Too many tries; wait."""

    status = 429
    code = "too_many"


class Unavailable(Refused):
    """The store cannot take it now. Nothing is promised; try again."""

    status = 503
    code = "unavailable"

    def __init__(
        self,
        message: str = "The store cannot take this now. Try again.",
        *,
        retry_after: int = 2,
    ) -> None:
        """Say it with a Retry-After of 2 seconds."""
        super().__init__(message, retry_after=retry_after)


class SendError(FrontdeskError):
    """What became of one send. `reason` is shown to the agent, `hint` says what to do."""

    def __init__(self, reason: str, *, hint: str = "", code: str = "") -> None:
        """Keep the provider's code apart from the words for people."""
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.code = code


class Rejected(SendError):
    """The provider refused for good; trying again is useless."""


class WindowClosed(Rejected):
    """The customer wrote too long ago for a free reply."""


class Throttled(SendError):
    """Nothing was sent; try again after `after`. `whole_inbox`: every send of the inbox waits."""

    def __init__(
        self,
        reason: str,
        *,
        after: timedelta | None = None,
        whole_inbox: bool = False,
        code: str = "",
    ) -> None:
        """`after` is the provider's own figure, None when it gave none."""
        super().__init__(reason, code=code)
        self.after = after
        self.whole_inbox = whole_inbox


class AuthDead(SendError):
    """The inbox's credentials no longer work; its sends pause until an admin mends them."""


class Unreachable(SendError):
    """Nothing can have been sent (connect error, explicit 5xx); try again."""


class Ambiguous(SendError):
    """The request left and no answer came: it may or may not have been sent."""


class StoreBusy(FrontdeskError):
    """The store refused the batch as a whole (locked, full, gone). Nothing was written."""


class StoreLost(FrontdeskError):
    """COMMIT was sent and failed: whether it is on disk is not known."""


class StoreRefused(FrontdeskError):
    """A row of the batch broke a constraint. Nothing was written; one unit is to blame."""


class NotLoaded(FrontdeskError):
    """A decision read keys that the batch has not loaded."""

    def __init__(self, *keys: object) -> None:
        """Carry the keys so that the writer can load them together."""
        super().__init__(*keys)
        self.keys = keys


class Faulty(FrontdeskError):
    """A unit raised what nobody foresaw, or the store would not have its rows."""
