"""Failure modes of the simulated Graph API: what to do wrong, to whom, how often."""

from random import Random
from typing import Literal

import msgspec

from sandbox.answers import Answer, error_body, invalid_token, json_answer
from sandbox.payloads import Json

Mode = Literal[
    "rate_limit",
    "server_error",
    "html_502",
    "auth_dead",
    "window_closed",
    "closed_before",
    "lost_answer",
    "slow",
    "status_before_answer",
    "failed_later",
]
# these never accept the message; the others do
REFUSING: frozenset[Mode] = frozenset(
    {"rate_limit", "server_error", "html_502", "auth_dead", "window_closed", "closed_before"}
)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to do wrong.

    `count`: how many requests it hits, None for all. `probability`: chance for each request that
    matches. `phone_number_id`, `to`: only these. `code`, `status`: Meta's error code and the HTTP
    status, where the mode has a choice. `retry_after`: seconds, as a header. `seconds`: how long
    `slow` waits; None waits for a release. `marks`: hits read marks and typing too.
    """

    mode: Mode
    count: int | None = 1
    probability: float = 1.0
    phone_number_id: str | None = None
    to: str | None = None
    code: int | None = None
    status: int | None = None
    retry_after: int | None = None
    seconds: float | None = None
    marks: bool = False

    def fits(self, phone_number_id: str, to: str | None) -> bool:
        """Tell whether it may hit this request; `to` is None for a read mark."""
        if self.phone_number_id not in (None, phone_number_id):
            return False
        if to is None:
            return self.marks
        return self.to is None or digits(self.to) == digits(to)


class Faults:
    """The faults in force, the oldest first; each request meets at most one."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._faults: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force behind those that are."""
        self._faults.append((fault, fault.count))

    def clear(self) -> None:
        """Take every fault back."""
        self._faults.clear()

    def take(self, phone_number_id: str, to: str | None) -> Fault | None:
        """Choose the fault that hits this request, and count it."""
        for place, (fault, left) in enumerate(self._faults):
            if not fault.fits(phone_number_id, to) or self._rng.random() >= fault.probability:
                continue
            if left is not None:
                self._faults[place] = (fault, left - 1)
            self._faults = [pair for pair in self._faults if pair[1] is None or pair[1] > 0]
            return fault
        return None


def digits(phone: str) -> str:
    """Keep what identifies a phone number; a business-scoped id stays as it is."""
    return phone if phone[:1].isalpha() else "".join(sign for sign in phone if sign.isdigit())


def refusal(fault: Fault) -> Answer | None:
    """Make the answer of a refusing fault; None where the connection closes without one."""
    match fault.mode:
        case "closed_before":
            return None
        case "html_502":
            page = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"
            return Answer(status=fault.status or 502, body=page, content_type="text/html")
        case "auth_dead":
            return invalid_token()
        case "window_closed":
            return json_answer(400, window_closed_error(fault.code or 131047))
        case "rate_limit":
            return _rate_limit(fault)
        case _:
            return _server_error(fault)


def window_closed_error(code: int) -> Json:
    """Make the error for a message after the reply window (131047), or another code of its kind."""
    details = (
        "Message failed to send because more than 24 hours have passed since the customer last "
        "replied to this number."
    )
    if code != 131047:
        details = "The message could not be delivered."
    return error_body(code, f"(#{code}) Re-engagement message", details=details)


def failed_status_error(fault: Fault) -> Json:
    """Make the error inside a `failed` status, 131047 unless the fault names another code."""
    code = fault.code or 131047
    title = "Re-engagement message" if code == 131047 else "Message undeliverable"
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": f"{title}."},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }


def _rate_limit(fault: Fault) -> Answer:
    code = fault.code or 130429
    pair = code == 131056
    message = "(Business Account, Consumer Account) pair rate limit hit" if pair else "Rate limit"
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    body = error_body(code, f"(#{code}) {message}", details="Message failed to send.")
    return json_answer(fault.status or 429, body, headers)


def _server_error(fault: Fault) -> Answer:
    code = fault.code or 131000
    message = f"(#{code}) Something went wrong"
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return json_answer(fault.status or 500, error_body(code, message), headers)
