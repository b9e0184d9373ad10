"""Meta's error codes as what to do and what to tell the agent. Pure.

The code decides, never the HTTP status: WhatsApp answers 500 for the permanent 3 and 131045, and
400 for the passing 130429 and 131056.
Source: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes, sheet of late 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal

import msgspec

from core.text import decode_json, dict_at, text_at
from frontdesk import (
    Ambiguous,
    AuthDead,
    Rejected,
    SendError,
    Throttled,
    Unreachable,
    WindowClosed,
)

Action = Literal["again", "slow_inbox", "slow_contact", "pause", "window", "never"]

_LONGEST_WAIT: Final = timedelta(days=1)  # the reply window is over by then
_WORDS_LIMIT: Final = 200


class Verdict(msgspec.Struct, frozen=True):
    """What one code means: what to do, the reason shown to the agent, and what helps."""

    action: Action
    reason: str
    hint: str = ""


_RECONNECT: Final = "An admin has to connect the inbox again."
_OTHER_WAY: Final = "Reach this customer another way."
_OUR_FAULT: Final = "Trying again will not help; an admin should see this code."
_LATER: Final = "Wait a day before you try again."
_BUSINESS: Final = "An admin has to mend this in WhatsApp Manager."

TABLE: Final[Mapping[int, Verdict]] = {
    0: Verdict("pause", "WhatsApp no longer accepts the access token.", _RECONNECT),
    1: Verdict("never", "WhatsApp could not handle the request.", "Try it once more."),
    2: Verdict("again", "WhatsApp is down for the moment."),
    3: Verdict("pause", "The app may not send messages.", _RECONNECT),
    4: Verdict("slow_inbox", "The app made too many calls."),
    10: Verdict("pause", "A permission was not granted or was taken away.", _RECONNECT),
    33: Verdict("never", "The phone number was deleted from the account.", _OUR_FAULT),
    100: Verdict("never", "WhatsApp found a mistake in the request.", _OUR_FAULT),
    190: Verdict("pause", "The access token has expired.", _RECONNECT),
    368: Verdict("pause", "WhatsApp blocked the account for breaking its policies.", _BUSINESS),
    80007: Verdict("slow_inbox", "The account made too many calls."),
    80008: Verdict("slow_inbox", "The account made too many calls."),
    130429: Verdict("slow_inbox", "The number sends faster than WhatsApp allows."),
    130472: Verdict("never", "WhatsApp keeps this customer out in an experiment.", _OTHER_WAY),
    130497: Verdict("never", "The account may not write to this country.", _OTHER_WAY),
    131000: Verdict("again", "WhatsApp had an error of its own."),
    131005: Verdict("pause", "A permission was not granted or was taken away.", _RECONNECT),
    131008: Verdict("never", "Something required is missing from the request.", _OUR_FAULT),
    131009: Verdict("never", "A value of the request is not valid.", _OUR_FAULT),
    131016: Verdict("again", "WhatsApp is overloaded for the moment."),
    131021: Verdict("never", "The number cannot write to itself."),
    131026: Verdict(
        "never",
        "The message cannot be delivered: the number has no WhatsApp, an old version of it, or "
        "has not accepted its terms.",
        _OTHER_WAY,
    ),
    131030: Verdict(
        "never",
        "The number is not on the list that a test number may write to.",
        "An admin has to add it to the allowed list.",
    ),
    131031: Verdict("pause", "WhatsApp locked the account.", _BUSINESS),
    131037: Verdict("pause", "The number's display name is not approved.", _BUSINESS),
    131042: Verdict("pause", "There is a problem with the payment method.", _BUSINESS),
    131045: Verdict("pause", "The phone number is not registered.", _BUSINESS),
    131047: Verdict(
        "window",
        "More than 24 hours have passed since the customer wrote.",
        "Send a template.",
    ),
    131048: Verdict(
        "pause", "WhatsApp stopped the number: too many messages were marked as spam.", _BUSINESS
    ),
    131049: Verdict("never", "WhatsApp holds this message back for now.", _LATER),
    131050: Verdict("never", "The customer opted out of marketing messages."),
    131051: Verdict("never", "WhatsApp does not support this kind of message.", _OUR_FAULT),
    131052: Verdict("never", "The customer's file could not be fetched.", "Ask for it again."),
    131053: Verdict("never", "The file could not be uploaded.", "Check its type and size."),
    131056: Verdict("slow_contact", "Too many messages to this customer in a short time."),
    131057: Verdict("again", "The account is in maintenance for some minutes."),
    131062: Verdict("never", "This kind of message needs the customer's phone number."),
    131063: Verdict("never", "This customer cannot get this kind of message.", _OTHER_WAY),
    131064: Verdict("never", "The account reached its messaging limit.", _LATER),
    132000: Verdict("never", "The template has another number of values.", _OUR_FAULT),
    132001: Verdict("never", "The template does not exist in this language.", _OUR_FAULT),
    132005: Verdict("never", "The filled template is too long.", _OUR_FAULT),
    132007: Verdict("never", "The template breaks WhatsApp's policies.", _OUR_FAULT),
    132008: Verdict("never", "A value of the template is not valid.", _OUR_FAULT),
    132012: Verdict("never", "A value of the template has the wrong form.", _OUR_FAULT),
    132015: Verdict("never", "The template is paused for its low quality.", _BUSINESS),
    132016: Verdict("never", "The template is disabled for its low quality.", _BUSINESS),
    132068: Verdict("never", "The flow is blocked.", _OUR_FAULT),
    132069: Verdict("never", "The flow is slowed down.", _OUR_FAULT),
    133004: Verdict("again", "WhatsApp is down for the moment."),
    133010: Verdict("pause", "The phone number is not registered.", _BUSINESS),
    135000: Verdict("never", "WhatsApp could not handle the request.", _OUR_FAULT),
}
_NO_PERMISSION: Final = range(200, 300)


def verdict(code: int) -> Verdict | None:
    """What the code means, None for one we do not know."""
    if code in _NO_PERMISSION:
        return TABLE[10]
    return TABLE.get(code)


def in_words(error: Mapping[str, object]) -> tuple[str, str]:
    """Reason and hint for one item of `errors`, whatever its shape."""
    known = verdict(_code(error) or -1)
    if known is not None:
        return known.reason, known.hint
    told = provider_words(error)
    code = text_at(error, "code") or "none"
    return f"WhatsApp refused it with code {code}{': ' + told if told else '.'}", ""


def provider_words(error: Mapping[str, object]) -> str:
    """The provider's own sentence of one error, at most 200 characters."""
    details = text_at(dict_at(error, "error_data"), "details") or text_at(error, "details")
    return (details or text_at(error, "message") or text_at(error, "title"))[:_WORDS_LIMIT]


def refusal(status: int, body: bytes, *, after: timedelta | None = None) -> SendError:
    """What an answer that is no success means. `after` is the provider's Retry-After."""
    error = _graph_error(body)
    code = _code(error)
    if code is None:
        return _without_code(status, after)
    known = verdict(code)
    if error.get("is_transient") is True and (known is None or code == 1):
        known = Verdict("again", provider_words(error) or "WhatsApp had an error of its own.")
    if known is None:
        known = _unknown_code(status, error)
    return _as_error(known, code=str(code), after=after)


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """The wait a Retry-After header asks for, in seconds or as a date; None when unreadable.

    Never negative and never beyond a day.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(value)
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), _LONGEST_WAIT)


def _graph_error(body: bytes) -> dict[str, object]:
    try:
        answer = decode_json(body)
    except ValueError:
        return {}
    return dict_at(answer, "error") if isinstance(answer, dict) else {}


def _code(error: Mapping[str, object]) -> int | None:
    digits = text_at(error, "code")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _unknown_code(status: int, error: Mapping[str, object]) -> Verdict:
    reason, hint = in_words(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Verdict("again", reason)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Verdict("slow_inbox", reason)
    if status == HTTPStatus.UNAUTHORIZED:
        return Verdict("pause", reason, _RECONNECT)
    return Verdict("never", reason, hint)


def _without_code(status: int, after: timedelta | None) -> SendError:
    """No error of Meta's in the body: a proxy, a firewall, or another server answered."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled("WhatsApp asks us to slow down.", after=after, whole_inbox=True)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return AuthDead(f"The access was refused with status {status}.", hint=_RECONNECT)
    odd = status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.REQUEST_TIMEOUT
    if odd or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Ambiguous(
            f"WhatsApp's answer with status {status} could not be read.",
            hint="The message may have been sent; look before you send it again.",
        )
    return Rejected(
        f"The address of the API answered with status {status}.",
        hint="An admin should check api_base and api_version.",
    )


def _as_error(known: Verdict, *, code: str, after: timedelta | None) -> SendError:
    match known.action:
        case "never":
            return Rejected(known.reason, hint=known.hint, code=code)
        case "window":
            return WindowClosed(known.reason, hint=known.hint, code=code)
        case "pause":
            return AuthDead(known.reason, hint=known.hint, code=code)
        case "slow_inbox":
            return Throttled(known.reason, after=after, whole_inbox=True, code=code)
        case "slow_contact":
            return Throttled(known.reason, after=after, code=code)
        case "again" if after is not None:
            return Throttled(known.reason, after=after, whole_inbox=True, code=code)
        case "again":
            return Unreachable(known.reason, hint=known.hint, code=code)
