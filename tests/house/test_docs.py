"""The documents say what is so: their example runs, and every hook, command and word is there."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from core.hooks import hook_names
from tests.core.command import Site, eventually

_FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)(?P<path>[^)#\s]+)")
_COMMAND = re.compile(r"\.venv/bin/frontdesk ((?:agent|token) )?([a-z]+)")


def fences(text: str, kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return [found["text"] for found in _FENCE.finditer(text) if found["kind"] == kind]


class PostOffice(BaseHTTPRequestHandler):
    """Takes letters in, as the provider of the example would."""

    letters: list[dict[str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.letters.append(json.loads(body))
        answer = json.dumps({"id": f"letter-{len(self.letters)}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def post_office() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Run one; gives its address and the letters it took."""
    PostOffice.letters = []
    server = HTTPServer(("127.0.0.1", 0), PostOffice)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", PostOffice.letters
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_the_example_channel_works_as_it_stands(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/writing-a-channel.md").read_text()
    (tmp_path / "letterbox.py").write_text(fences(page, "python")[0])
    with post_office() as (address, letters):
        toml = fences(page, "toml")[0].replace(
            "[inboxes.letters]", f'[inboxes.letters]\napi_base = "{address}"'
        )
        site = Site(tmp_path, text=toml)
        assert "ACME_LETTERS_SECRET" in site.run("check", code=2).err
        site.env["ACME_LETTERS_SECRET"] = "a-secret-of-the-post"
        assert "1 inboxes" in site.run("check").out
        site.add("ann@acme.example", "--name", "Ann", "--all")
        token = site.token("ann@acme.example")
        with site.serve() as server:
            body = json.dumps({"id": "1", "from": "Carl", "text": "Dear Sirs"}).encode()
            made = hmac.new(b"a-secret-of-the-post", body, hashlib.sha256).hexdigest()
            path = "/inboxes/letters/webhook"
            for signature, status in (("forged", 403), ("é", 403), (made, 200), (made, 200)):
                headers = {"X-Letter-Signature": signature.encode().decode("latin-1")}
                assert server.open("POST", path, body, headers)[0] == status
            odd = b"no letter"
            headers = {
                "X-Letter-Signature": hmac.new(
                    b"a-secret-of-the-post", odd, hashlib.sha256
                ).hexdigest()
            }
            assert server.open("POST", path, odd, headers)[0] == 200
            assert (
                server.call("PUT", "/api/v1/me/status", {"status": "online"}, token=token)[0] == 200
            )
            (one,) = server.get("/api/v1/conversations?view=mine", token)[1]["items"]
            assert one["contact"]["name"] == "Carl"
            where = f"/api/v1/conversations/{one['id']}/messages"
            assert server.call("POST", where, {"text": "Dear Carl"}, token=token)[0] == 200
            eventually(lambda: letters != [])
            assert (letters[0]["to"], letters[0]["text"]) == ("Carl", "Dear Carl")
            eventually(
                lambda: server.get(where, token)[1]["items"][-1]["delivery"]["state"] == "sent"
            )
        assert "this is not a letter" in site.run("replay", "--all", code=1).out


def test_every_hook_is_named(root: Path) -> None:
    named = re.findall(r"^\| `(\w+)` \|", (root / "docs/hooks.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(hook_names())


def test_every_command_named_exists(files: list[Path], root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    agents = ["add", "list", "password", "disable", "authorise"]
    found = 0
    for file in files:
        if file.suffix not in {".md", ".html", ".toml", ".py", ".yaml"} or file.parts[0] == "tests":
            continue
        for group, name in _COMMAND.findall((root / file).read_text()):
            found += 1
            known = agents if group == "agent " else ["create"] if group else None
            if known is not None:
                assert name in known, f"{file}: {group}{name}"
            else:
                assert re.search(rf"\b{name}\b", done.stdout), f"{file}: {name}"
    assert found > 10, "no command was found: the rule looks at nothing"


def test_readme_names_every_command(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^│ ([a-z]+) {2,}", done.stdout, re.MULTILINE)
    assert "serve" in names
    readme = (root / "README.md").read_text()
    assert [name for name in names if f"| `{name}" not in readme] == []


def test_links_lead_somewhere(files: list[Path], root: Path) -> None:
    pages = [file for file in files if file.suffix == ".md"]
    assert Path("README.md") in pages
    broken = [
        f"{page}: {found['path']}"
        for page in pages
        for found in _LINK.finditer((root / page).read_text())
        if not (root / page.parent / found["path"]).exists()
    ]
    assert broken == []


def test_the_glossary_has_every_word(root: Path) -> None:
    text = (root / "docs/glossary.md").read_text()
    words = (
        "Product Channel Inbox Contact Address source_id Conversation Message Part Delivery "
        "Attempt Agent Team Topic Tag Status Assignment epoch Handoff Desk Ticket Receipt Event "
        "seq position cursor"
    )
    assert [word for word in words.split() if f"**{word}**" not in text] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash checks its own scripts")
def test_the_scripts_are_shell(files: list[Path], root: Path) -> None:
    scripts = [file for file in files if file.suffix == ".sh"]
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", root / script], check=True)
