"""Errors as the API says them: {"error": {"code", "message", "field"?}}, whatever went wrong."""

from __future__ import annotations

import logging

import msgspec
from starlette.responses import Response

from core.errors import Refused, SignedOut, StoreBusy, StoreLost, Unavailable

log = logging.getLogger("frontdesk.api")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_encode = msgspec.json.Encoder().encode


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong. `code` is stable, `message` is for people, `field` names what to mend."""

    code: str
    message: str
    field: str | None = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is not a success."""

    error: Fault


class NotAllowed(Refused):
    """The address exists, but not for this method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        """`allowed` is the value of the Allow header."""
        super().__init__("This address does not know that method.")
        self.allowed = allowed


class WrongType(Refused):
    """The body is not JSON."""

    status = 415
    code = "unsupported_media_type"


def fault_of(error: Exception) -> tuple[int, Fault, dict[str, str]]:
    """Return status, fault and headers of an error; what nobody foresaw is logged, never told."""
    if isinstance(error, StoreBusy | StoreLost):
        error = Unavailable()
    if not isinstance(error, Refused):
        log.error("a request failed", exc_info=error)
        message = "Something went wrong on this side. It is in the log."
        return 500, Fault(code="internal", message=message), {}
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, NotAllowed):
        headers["allow"] = error.allowed
    if isinstance(error, SignedOut):
        headers["www-authenticate"] = "Bearer"
    return error.status, Fault(code=error.code, message=error.message, field=error.field), headers


def refusal(error: Exception) -> Response:
    """Return the answer to a request that failed."""
    status, fault, headers = fault_of(error)
    return answer(ErrorBody(error=fault), status=status, headers=headers)


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; None as a body is 204."""
    if body is None:
        return Response(status_code=204, headers=HEADERS)
    return Response(
        _encode(body),
        status_code=status,
        headers={**HEADERS, **(headers or {})},
        media_type="application/json",
    )
