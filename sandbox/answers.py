"""What the Graph API says and checks: pure functions, written from Meta's reference.

Errors are told apart by `error.code`, never by HTTP status: 130429 comes with 400 or 429,
131000 with 500.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sandbox.payloads import Json

KNOWN_TYPES = (
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
)
_TEXT_LIMIT = 4096


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer: `headers` are extra ones."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class Refused(Exception):
    """The Graph API refuses a request; `answer` says how."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Invalid(Refused):
    """A parameter has an impossible value (100)."""

    def __init__(self, message: str, details: str | None = None) -> None:
        body = error_body(100, f"(#100) {message}", details=details)
        super().__init__(json_answer(400, body))


class _NotJson(_Invalid):
    def __init__(self) -> None:
        super().__init__("Invalid parameter", "The body is not a JSON object.")


class _Required(_Invalid):
    def __init__(self, parameter: str) -> None:
        super().__init__(f"The parameter {parameter} is required.")


class _NotOneOf(_Invalid):
    def __init__(self, parameter: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Param {parameter} must be one of {{{', '.join(allowed).upper()}}}.")


class _TooLong(_Invalid):
    def __init__(self, parameter: str, limit: int) -> None:
        super().__init__(f"Param {parameter} must be at most {limit} characters long.")


class _Missing(Refused):
    """The content of a message lacks something (131008)."""

    def __init__(self, parameter: str) -> None:
        message = "(#131008) Required parameter is missing"
        body = error_body(131008, message, details=f"Parameter {parameter} is missing.")
        super().__init__(json_answer(400, body))


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A request to send a message: `to` is a phone number, or a business-scoped id."""

    to: str
    is_user_id: bool
    type: str
    text: str
    body: Json
    tag: str | None


class Marking(msgspec.Struct, frozen=True, kw_only=True):
    """A request to mark a customer's message read, and perhaps to show that we are typing."""

    wamid: str
    typing: bool


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Encode an answer as Graph does."""
    return Answer(status=status, body=json.dumps(body).encode(), headers=dict(headers or {}))


def error_body(
    code: int,
    message: str,
    *,
    subcode: int | None = None,
    kind: str = "OAuthException",
    details: str | None = None,
) -> Json:
    """Make Meta's error object; `details` is the sentence for developers."""
    error: Json = {"message": message, "type": kind, "code": code}
    if details is not None:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if subcode is not None:
        error["error_subcode"] = subcode
    error["fbtrace_id"] = "AsandboxTraceIdentifier"
    return {"error": error}


def invalid_token() -> Answer:
    """Refuse a token that is wrong, expired or missing."""
    message = "Error validating access token: The session has been invalidated."
    header = {"WWW-Authenticate": 'OAuth "Facebook Platform" "invalid_token"'}
    return json_answer(401, error_body(190, message, subcode=460), header)


def unknown_object(object_id: str) -> Answer:
    """Refuse a number this token cannot reach; Graph does not tell missing from forbidden."""
    message = (
        f"Unsupported post request. Object with ID '{object_id}' does not exist, cannot be loaded "
        "due to missing permissions, or does not support this operation. Please read the Graph "
        "API documentation at https://developers.facebook.com/docs/graph-api"
    )
    return json_answer(400, error_body(100, message, subcode=33, kind="GraphMethodException"))


def accepted(sending: Sending, wa_id: str, wamid: str) -> Answer:
    """Say that a message is accepted, which is not yet sent."""
    who = {"user_id": wa_id} if sending.is_user_id else {"wa_id": wa_id}
    return json_answer(
        200,
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": sending.to, **who}],
            "messages": [{"id": wamid}],
        },
    )


def read_request(raw: bytes) -> Sending | Marking:
    """Check the body of `POST /{phone_number_id}/messages` as Meta does, or raise Refused."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise _NotJson from None
    if not isinstance(body, dict):
        raise _NotJson
    if body.get("messaging_product") != "whatsapp":
        raise _Required("messaging_product")
    return _read_marking(body) if "status" in body else _read_sending(body)


def _read_marking(body: Json) -> Marking:
    wamid = body.get("message_id")
    if body["status"] != "read":
        raise _NotOneOf("status", ["read"])
    if not isinstance(wamid, str) or not wamid:
        raise _Required("message_id")
    return Marking(wamid=wamid, typing="typing_indicator" in body)


def _read_sending(body: Json) -> Sending:
    # the phone number wins when both are given
    phone, user_id = body.get("to"), body.get("recipient")
    to = phone or user_id
    if not isinstance(to, str) or not to:
        raise _Required("to")
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in KNOWN_TYPES:
        raise _NotOneOf("type", KNOWN_TYPES)
    content = body.get(kind)
    if not isinstance(content, list if kind == "contacts" else dict):
        raise _Missing(kind)
    tag = body.get("biz_opaque_callback_data")
    return Sending(
        to=to,
        is_user_id=not phone,
        type=kind,
        text=_CHECKS.get(kind, _check_nothing)(content),
        body=body,
        tag=tag if isinstance(tag, str) else None,
    )


def _check_nothing(_content: object) -> str:
    return ""


def _check_text(content: Json) -> str:
    body = content.get("body")
    if not isinstance(body, str) or not body:
        raise _Missing("text['body']")
    if len(body) > _TEXT_LIMIT:
        raise _TooLong("text['body']", _TEXT_LIMIT)
    return body


def _check_template(content: Json) -> str:
    language = content.get("language")
    if not content.get("name"):
        raise _Missing("template['name']")
    if not isinstance(language, dict) or not language.get("code"):
        raise _Missing("template['language']")
    return str(content["name"])


def _check_image(content: Json) -> str:
    if not content.get("id") and not content.get("link"):
        raise _Missing("image['id']")
    return str(content.get("caption", ""))


_CHECKS: dict[str, Callable[[Any], str]] = {
    "image": _check_image,
    "template": _check_template,
    "text": _check_text,
}
