"""Signing in and out."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import msgspec

from core.errors import Forbidden, Refused
from core.ports.views import AgentView
from core.ports.workplace import SessionView
from handoff.api.operations import Call, Listed, Operation, listed


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An e-mail and its password. `code` is the second factor, not asked for yet."""

    email: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    code: Annotated[str, msgspec.Meta(max_length=16)] | None = None


class LoginView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in, and the token to send as X-CSRF-Token with every change."""

    agent: AgentView
    csrf: str


async def sign_in(call: Call, body: Credentials) -> LoginView:
    """Sign in; the answer sets the session cookie. Too many wrong tries are answered 429."""
    gate = call.gate
    mark = gate.marks.read(call.cookies.get(gate.mark_cookie), body.email)
    with gate.guesses.take(email=body.email, address=call.address, mark=mark):
        secret, csrf, agent = await call.logins.sign_in(
            body.email, body.password, address=call.address
        )
    former = call.cookies.get(gate.session_cookie)
    if former:
        with suppress(Refused):  # the new session stands, whatever becomes of the old one
            await call.logins.sign_out(former)
    call.set_cookies.append(gate.session_set(secret))
    if mark is None:
        call.set_cookies.append(gate.mark_set(gate.marks.make(body.email)))
    return LoginView(agent=agent, csrf=csrf)


async def read_session(call: Call) -> LoginView:
    """Return the session of the cookie, so that a page that was loaded again can go on."""
    if not call.who.csrf:
        raise Forbidden("A token is not a session.")
    return LoginView(agent=await call.workplace.me(call.actor), csrf=call.who.csrf)


async def sign_out(call: Call) -> None:
    """End the session or token that asks."""
    await call.logins.sign_out(call.who.secret)
    if call.who.csrf:
        call.set_cookies.append(call.gate.session_gone())


async def sessions(call: Call) -> Listed[SessionView]:
    """List my sessions and tokens."""
    return listed(await call.logins.sessions(call.actor))


async def end_session(call: Call) -> None:
    """End one of my sessions or tokens."""
    await call.logins.revoke(call.actor, call.subject)


OPERATIONS = (
    Operation(method="POST", path="/session", handle=sign_in, who="anyone", errors=(429,)),
    Operation(method="GET", path="/session", handle=read_session),
    Operation(method="DELETE", path="/session", handle=sign_out),
    Operation(method="GET", path="/sessions", handle=sessions),
    Operation(method="DELETE", path="/sessions/{id}", handle=end_session, errors=(404,)),
)
