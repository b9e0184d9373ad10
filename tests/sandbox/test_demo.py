"""`frontdesk demo` as people start it: everything at once, true to the last tick."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.core.command import Served, Site, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty folder: a demo brings everything."""
    return Site(tmp_path, text=None, key=False)


@contextmanager
def demo(site: Site, *more: str) -> Iterator[Served]:
    """Run a demo on some free port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = str(probe.getsockname()[1])
    arguments = ("demo", "--port", port, "--tokens", *more)
    with site.started(*arguments, until="For real:") as (process, said):
        text = "".join(said)
        address = re.search(r"phone\s+(http://127\.0\.0\.1:\d+)/", text)
        assert address, text
        yield Served(process, address[1], said)


def logins_of(server: Served) -> list[tuple[str, str]]:
    """E-mail and password of each agent, as printed."""
    return re.findall(r"^    (\S+@\S+)   (\S+)   \w+$", "".join(server.said), re.MULTILINE)


def tokens_of(server: Served) -> list[str]:
    return re.findall(r"API token (\S+)", "".join(server.said))


def until_bubble(phone: ClientConnection, text: str, state: str) -> None:
    """Read frames until a bubble has this state."""
    while True:
        frame: dict[str, Any] = json.loads(phone.recv(timeout=20))
        bubble = frame.get("bubble", {})
        if (bubble.get("text"), bubble.get("state")) == (text, state):
            return


def test_a_message_goes_there_and_back(site: Site) -> None:
    with demo(site) as server:
        said = "".join(server.said)
        assert "simulation" in said
        for path in ("/", "/console", "/openapi.json", "/readyz"):
            assert server.get(path)[0] == 200, path
        supervisor, agent = tokens_of(server)
        for (email, password), token in zip(logins_of(server), (supervisor, agent), strict=True):
            status, me = server.get("/api/v1/me", token)
            assert (status, me["email"], me["status"]) == (200, email, "online")
            assert len(me["inboxes"]) == 2
            signed = server.call("POST", "/api/v1/session", {"email": email, "password": password})
            assert signed[0] == 200
        # Both hosts are this server: that is what keeps two sessions apart in one browser.
        assert f"http://localhost:{server.address.rpartition(':')[2]}/console" in said

        with connect(server.address.replace("http", "ws") + "/live") as phone:
            state = json.loads(phone.recv(timeout=10))
            assert {chat["business"] for chat in state["chats"]} == {
                "Lantern Lamps",
                "Kestrel Bikes",
            }
            for chat in state["chats"]:
                words = f"Hello from {chat['name']}"
                phone.send(json.dumps({"type": "say", "chat": chat["id"], "text": words}))
                until_bubble(phone, words, "sent")
            (token, conversation), *_ = [
                (token, one)
                for token in (supervisor, agent)
                for one in server.get("/api/v1/conversations?view=mine", token)[1]["items"]
            ]
            where = f"/api/v1/conversations/{conversation['id']}/messages"
            assert server.call("POST", where, {"text": "Good morning"}, token=token)[0] == 200
            until_bubble(phone, "Good morning", "new")
            eventually(
                lambda: server.get(where, token)[1]["items"][-1]["delivery"]["state"] == "delivered"
            )


def test_a_tick_is_true(site: Site) -> None:
    """What the store has not taken is not shown as sent; once it has, it is."""
    with demo(site) as server, connect(server.address.replace("http", "ws") + "/live") as phone:
        chat = json.loads(phone.recv(timeout=10))["chats"][0]["id"]
        with closing(sqlite3.connect(site.folder / "var/demo/frontdesk.db")) as held:
            held.isolation_level = None
            held.execute("BEGIN IMMEDIATE")
            phone.send(json.dumps({"type": "say", "chat": chat, "text": "Hello?"}))
            states = []
            with suppress(TimeoutError):
                while True:
                    states.append(json.loads(phone.recv(timeout=3))["bubble"]["state"])
            assert set(states) == {"sending"}
            held.execute("ROLLBACK")
        until_bubble(phone, "Hello?", "sent")


def test_it_goes_on_where_it_was_left(site: Site) -> None:
    with demo(site) as first:
        logins = logins_of(first)
        assert len(logins) == 2
        refused = site.run("demo", code=2)
        assert "A demo runs on" in refused.err
        assert "A demo runs on" in site.run("demo", "--reset", code=2).err
        assert first.get("/readyz")[0] == 200
        assert first.stop(signal.SIGINT) == 0
    folder = site.folder / "var/demo"
    (site.folder / "var/precious").write_text("not the demo's")
    (folder / "plugins.toml").write_text((folder / "plugins.toml").read_text() + "# mine\n")
    with demo(site) as second:
        assert logins_of(second) == logins
        assert (folder / "plugins.toml").read_text().endswith("# mine\n")
    with demo(site, "--reset") as third:
        assert logins_of(third) != logins
        assert not (folder / "plugins.toml").read_text().endswith("# mine\n")
    assert (site.folder / "var/precious").exists()


def test_a_busy_port_is_no_obstacle(site: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with site.started("demo", "--port", str(port), until="For real:") as (_, said):
            found = re.search(r"phone\s+http://127\.0\.0\.1:(\d+)/", "".join(said))
    assert found
    assert int(found[1]) != port


def test_a_folder_of_somebody_else_is_left_alone(site: Site) -> None:
    (site.folder / "var/demo").mkdir(parents=True)
    (site.folder / "var/demo/thesis.txt").write_text("years of work")
    assert "holds no demo" in site.run("demo", "--reset", code=2).err
    assert (site.folder / "var/demo/thesis.txt").exists()


def test_a_real_provider_is_never_called(site: Site) -> None:
    with demo(site):
        pass
    config = site.folder / "var/demo/plugins.toml"
    text = config.read_text()
    config.write_text(re.sub(r"^api_base.*\n", "", text, count=1, flags=re.MULTILINE))
    ran = site.run("demo", code=2)
    assert "talks to its simulator only" in ran.err
