"""The simulated Graph API answers, fails and reports as Meta's documentation says."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from random import Random

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import Fault, Mode
from sandbox.graph import Graph, Line
from sandbox.payloads import Number
from sandbox.server import serve
from sandbox.webhooks import Webhook

TOKEN = "sandbox-token"
SECRET = "shhh"
ACME = Number(phone_number_id="1055", waba_id="77", display_phone_number="15550001111")
PAUSES = tuple(timedelta(milliseconds=ms) for ms in (0, 10, 10))


class Desk:
    """Stands for Frontdesk: keeps what webhooks bring and answers with `statuses` in turn."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.statuses: list[int] = []
        self.arrived = asyncio.Event()

    def asgi(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.hook, methods=["GET", "POST"])])

    async def hook(self, request: Request) -> Response:
        if request.method == "GET":
            right = request.query_params["hub.verify_token"] == "let-me-in"
            challenge = request.query_params["hub.challenge"]
            return PlainTextResponse(challenge) if right else Response(status_code=403)
        self.bodies.append(await request.body())
        self.signatures.append(request.headers["x-hub-signature-256"])
        self.arrived.set()
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def tidings(self) -> list[dict[str, object]]:
        """The statuses received, flattened."""
        return [
            status
            for body in self.bodies
            for entry in json.loads(body)["entry"]
            for change in entry["changes"]
            for status in change["value"].get("statuses", [])
        ]


class Rig:
    """A served Graph, the desk it reports to, and a client with a good token."""

    def __init__(self, graph: Graph, desk: Desk, url: str, client: aiohttp.ClientSession) -> None:
        self.graph = graph
        self.desk = desk
        self.url = url
        self.client = client

    async def post(
        self, body: object, *, number: str = "1055", token: str = TOKEN
    ) -> tuple[int, dict[str, str], str]:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/v25.0/{number}/messages"
        async with self.client.post(url, json=body, headers=headers) as response:
            return response.status, dict(response.headers), await response.text()

    async def control(self, method: str, path: str, body: object = None) -> dict[str, object]:
        async with self.client.request(method, f"{self.url}/_control{path}", json=body) as response:
            answer: dict[str, object] = await response.json()
            return answer


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with new_rig() as made:
        yield made


@asynccontextmanager
async def new_rig() -> AsyncIterator[Rig]:
    desk = Desk()
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(serve(desk.asgi())) + "/hook"
        webhook = Webhook(url=hook, app_secret=SECRET)
        line = Line(number=ACME, title="Acme", access_token=TOKEN, webhook=webhook)
        graph = Graph([line], statuses=("sent", "delivered", "read"), pauses=PAUSES, rng=Random(4))
        url = await stack.enter_async_context(serve(graph.asgi()))
        stack.push_async_callback(graph.close)
        client = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        )
        yield Rig(graph, desk, url, client)


def text(words: str = "Hi", to: str = "+90 530 111 22 33", tag: str | None = "a1") -> object:
    body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": words}}
    return body if tag is None else body | {"biz_opaque_callback_data": tag}


async def test_accepts_a_text_and_reports_it_with_our_tag(rig: Rig) -> None:
    status, _, answer = await rig.post(text("Hi ☕"))
    await rig.graph.settled()

    body = json.loads(answer)
    wamid = body["messages"][0]["id"]
    assert (status, body["messaging_product"]) == (200, "whatsapp")
    assert body["contacts"] == [{"input": "+90 530 111 22 33", "wa_id": "905301112233"}]
    assert wamid.startswith("wamid.")
    call = rig.graph.calls[0]
    assert (call.to, call.text, call.tag, call.wamid) == ("905301112233", "Hi ☕", "a1", wamid)
    told = [(one["status"], one["id"], one["recipient_id"]) for one in rig.desk.tidings()]
    assert told == [(name, wamid, "905301112233") for name in ("sent", "delivered", "read")]
    assert {str(one["biz_opaque_callback_data"]) for one in rig.desk.tidings()} == {"a1"}


async def test_signs_webhooks_over_the_raw_bytes(rig: Rig) -> None:
    await rig.post(text(tag="ä/☕"))
    await rig.graph.settled()

    expected = [
        "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        for body in rig.desk.bodies
    ]
    assert rig.desk.signatures == expected
    assert len(expected) == 3
    assert rb"\u00e4" in rig.desk.bodies[0]


async def test_repeats_a_webhook_until_a_2xx_and_not_for_ever(rig: Rig) -> None:
    rig.graph.statuses = ("sent",)
    rig.desk.statuses = [500, 503]
    await rig.post(text())
    await rig.graph.settled()
    assert len(rig.desk.bodies) == 3
    assert len(set(rig.desk.bodies)) == 1

    rig.desk.statuses = [500] * 20
    await rig.post(text())
    await rig.graph.settled()
    assert len(rig.desk.bodies) == 3 + 1 + len(PAUSES)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"messaging_product": "whatsapp", "text": {"body": "x"}}, 400, 100),
        ({"to": "1", "text": {"body": "x"}}, 400, 100),
        ({"messaging_product": "whatsapp", "to": "1", "type": "fax", "fax": {}}, 400, 100),
        ({"messaging_product": "whatsapp", "to": "1", "text": {"body": ""}}, 400, 131008),
        ({"messaging_product": "whatsapp", "to": "1", "text": {"body": "x" * 4097}}, 400, 100),
        ({"messaging_product": "whatsapp", "to": "1", "type": "template"}, 400, 131008),
        ({"messaging_product": "whatsapp", "status": "read"}, 400, 100),
        (["no", "object"], 400, 100),
    ],
)
async def test_refuses_bad_requests(rig: Rig, body: object, status: int, code: int) -> None:
    got, _, answer = await rig.post(body)
    assert (got, json.loads(answer)["error"]["code"]) == (status, code)
    assert rig.graph.calls == []
    assert [one.outcome for one in rig.graph.refusals] == ["invalid"]


async def test_refuses_a_wrong_token_and_an_unknown_number(rig: Rig) -> None:
    status, _, answer = await rig.post(text(), token="stolen")
    assert (status, json.loads(answer)["error"]["code"]) == (401, 190)

    status, _, answer = await rig.post(text(), number="9999")
    error = json.loads(answer)["error"]
    assert (status, error["code"], error["error_subcode"]) == (400, 100, 33)


async def test_takes_templates_images_and_business_scoped_ids(rig: Rig) -> None:
    template = {"name": "hello", "language": {"code": "en_US"}}
    base = {"messaging_product": "whatsapp"}
    await rig.post(base | {"to": "1", "type": "template", "template": template})
    await rig.post(base | {"to": "1", "type": "image", "image": {"id": "5", "caption": "c"}})
    _, _, answer = await rig.post(base | {"recipient": "US.134", "text": {"body": "x"}})

    assert [(call.type, call.text) for call in rig.graph.calls] == [
        ("template", "hello"),
        ("image", "c"),
        ("text", "x"),
    ]
    assert json.loads(answer)["contacts"] == [{"input": "US.134", "user_id": "US.134"}]
    await rig.graph.settled()
    assert rig.desk.tidings()[-1]["recipient_user_id"] == "US.134"


async def test_records_read_marks_and_typing(rig: Rig) -> None:
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.in"}
    status, _, answer = await rig.post(mark)
    await rig.post(mark | {"typing_indicator": {"type": "text"}})

    assert (status, json.loads(answer)) == (200, {"success": True})
    assert [(one.wamid, one.typing) for one in rig.graph.marks] == [
        ("wamid.in", False),
        ("wamid.in", True),
    ]
    assert rig.graph.calls == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"mode": "rate_limit"}, 429, 130429),
        ({"mode": "rate_limit", "code": 131056, "status": 400}, 400, 131056),
        ({"mode": "server_error"}, 500, 131000),
        ({"mode": "server_error", "code": 131016, "status": 503}, 503, 131016),
        ({"mode": "auth_dead"}, 401, 190),
        ({"mode": "window_closed"}, 400, 131047),
    ],
)
async def test_refusing_faults_hit_once_and_accept_nothing(
    rig: Rig, fault: dict[str, object], status: int, code: int
) -> None:
    assert await rig.control("POST", "/faults", fault) == {"success": True}
    got, _, answer = await rig.post(text())

    assert (got, json.loads(answer)["error"]["code"]) == (status, code)
    assert rig.graph.calls == []
    assert [one.outcome for one in rig.graph.refusals] == [fault["mode"]]
    assert (await rig.post(text()))[0] == 200


async def test_rate_limit_may_name_the_wait(rig: Rig) -> None:
    await rig.control("POST", "/faults", {"mode": "rate_limit", "retry_after": 7})
    _, headers, _ = await rig.post(text())
    assert headers["Retry-After"] == "7"


async def test_a_bad_gateway_is_a_page_not_json(rig: Rig) -> None:
    rig.graph.faults.add(Fault(mode="html_502"))
    status, headers, page = await rig.post(text())
    assert (status, headers["Content-Type"].split(";")[0]) == (502, "text/html")
    assert "<html>" in page


@pytest.mark.parametrize(("mode", "accepted"), [("closed_before", 0), ("lost_answer", 1)])
async def test_closed_connections_give_no_answer_at_all(
    rig: Rig, mode: Mode, accepted: int
) -> None:
    rig.graph.faults.add(Fault(mode=mode))
    with pytest.raises((aiohttp.ServerDisconnectedError, ConnectionResetError)):
        await rig.post(text())
    await rig.graph.settled()
    assert len(rig.graph.calls) == accepted
    assert len(rig.desk.tidings()) == 3 * accepted


async def test_a_slow_answer_comes_after_its_seconds(rig: Rig) -> None:
    rig.graph.faults.add(Fault(mode="slow", seconds=0.05))
    loop = asyncio.get_running_loop()
    started = loop.time()
    status, _, _ = await rig.post(text())
    assert status == 200
    assert loop.time() - started >= 0.05


async def test_a_hanging_call_is_open_until_released(rig: Rig) -> None:
    await rig.control("POST", "/faults", {"mode": "slow"})
    sending = asyncio.create_task(rig.post(text("held")))
    await rig.graph.until(lambda: len(rig.graph.open) == 1)

    seen = await rig.control("GET", "/open")
    assert seen["open"] == 1
    assert "held" in json.dumps(seen["calls"])
    assert not sending.done()
    await rig.control("POST", "/release")
    assert (await sending)[0] == 200
    assert rig.graph.open == {}


async def test_a_caller_that_dies_leaves_no_open_call(rig: Rig) -> None:
    rig.graph.faults.add(Fault(mode="slow"))
    sending = asyncio.create_task(rig.post(text()))
    await rig.graph.until(lambda: len(rig.graph.open) == 1)
    sending.cancel()
    await rig.graph.until(lambda: not rig.graph.open)
    assert len(rig.graph.calls) == 1


async def test_status_may_come_before_the_answer(rig: Rig) -> None:
    rig.graph.faults.add(Fault(mode="status_before_answer"))
    await rig.post(text())
    assert [one["status"] for one in rig.desk.tidings()] == ["sent", "delivered", "read"]


async def test_a_message_may_be_accepted_and_fail_later(rig: Rig) -> None:
    await rig.control("POST", "/faults", {"mode": "failed_later", "code": 131026})
    status, _, _ = await rig.post(text())
    await rig.graph.settled()
    assert status == 200
    (told,) = rig.desk.tidings()
    assert told["status"] == "failed"
    assert "131026" in json.dumps(told["errors"])


async def test_faults_choose_their_victims(rig: Rig) -> None:
    rig.graph.faults.add(Fault(mode="server_error", to="+905300000001", count=None))
    rig.graph.faults.add(Fault(mode="server_error", phone_number_id="other", count=None))
    assert (await rig.post(text(to="905300000002")))[0] == 200
    assert (await rig.post(text(to="905300000001")))[0] == 500
    assert (await rig.post(text(to="905300000001")))[0] == 500
    await rig.control("DELETE", "/faults")
    assert (await rig.post(text(to="905300000001")))[0] == 200


async def test_faults_hit_with_their_probability(rig: Rig) -> None:
    rig.graph.statuses = ()
    rig.graph.faults.add(Fault(mode="server_error", probability=0.3, count=None))
    answers = [(await rig.post(text()))[0] for _ in range(200)]
    assert 35 <= answers.count(500) <= 85


async def test_controls_list_calls_after_a_cursor_and_reset(rig: Rig) -> None:
    for words in ("one", "two", "three"):
        await rig.post(text(words))
    seen = await rig.control("GET", "/calls?after=1")
    calls = seen["calls"]
    assert isinstance(calls, list)
    assert [(call["ordinal"], call["text"]) for call in calls] == [(2, "two"), (3, "three")]
    assert seen["cursor"] == 3

    await rig.control("POST", "/reset")
    assert (await rig.control("GET", "/calls"))["calls"] == []
    assert "error" in await rig.control("POST", "/faults", {"mode": "earthquake"})


async def test_shakes_hands_with_a_webhook(rig: Rig) -> None:
    webhook = rig.graph.lines["1055"].webhook
    assert webhook is not None
    assert await rig.graph.webhooks.handshake(webhook.url, "let-me-in", "1158201444")
    assert not await rig.graph.webhooks.handshake(webhook.url, "wrong", "1158201444")


async def test_a_probe_reads_the_number(rig: Rig) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with rig.client.get(f"{rig.url}/v25.0/1055", headers=headers) as response:
        assert (await response.json())["verified_name"] == "Acme"
    async with rig.client.get(f"{rig.url}/v25.0/1055") as response:
        assert response.status == 401
