"""The command `frontdesk` in a folder of its own, as a person would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.payloads import Customer, Number, encode_body, message_item, sign, text

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
NUMBER = Number(phone_number_id="111", waba_id="1")
APP_SECRET = "app-secret-of-the-test"
SITE = f"""
[frontdesk]
public_url = "http://127.0.0.1:1"
database = "{{database}}"
plugins = ["plugins.sql", "handoff", "handoff.api", "plugins.whatsapp"]
[products.acme]
name = "Acme"
[products.blue]
name = "Blue"
[inboxes.wa]
channel = "whatsapp"
product = "acme"
phone_number_id = "{NUMBER.phone_number_id}"
access_token = "access-token-of-the-test"
app_secret = "{APP_SECRET}"
verify_token = "verify-token-of-the-test"
api_base = "http://127.0.0.1:9"
[inboxes.blue-wa]
channel = "whatsapp"
product = "blue"
phone_number_id = "222"
access_token = "access-token-of-the-test"
app_secret = "{APP_SECRET}"
verify_token = "verify-token-of-the-test"
api_base = "http://127.0.0.1:9"
"""
SQLITE = "sqlite:///var/frontdesk.db"
PASSWORD = "a long enough password"


def eventually(holds: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Wait until a condition holds, or fail."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, f"{holds} never held"
        time.sleep(0.05)


class Ran:
    """How a command ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], address: str, said: list[str]) -> None:
        self.process = process
        self.address = address
        self.said = said

    def get(self, path: str, token: str = "") -> tuple[int, Any]:
        return self.call("GET", path, token=token)

    def call(
        self, method: str, path: str, body: object = None, *, token: str = ""
    ) -> tuple[int, Any]:
        """Call the API; return the status and the answer read as JSON."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        return self.open(method, path, data, headers)

    def write(self, words: str, *, customer: str = "4915100001", wamid: str = "") -> int:
        """Let a customer write a text; return the status of the webhook's answer."""
        who = Customer(wa_id=customer, name=f"Customer {customer}")
        item = message_item(
            NUMBER,
            who,
            text(words),
            wamid=wamid or f"wamid.{customer}.{words}",
            at=datetime.now(UTC),
        )
        return self.post(encode_body([item]))

    def post(self, body: bytes, inbox: str = "wa") -> int:
        """Post a signed body to an inbox."""
        headers = {"X-Hub-Signature-256": sign(APP_SECRET, body)}
        return self.open("POST", f"/inboxes/{inbox}/webhook", body, headers)[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def open(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - the server under test
            self.address + path, data=data, headers=dict(headers), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
                return response.status, _read(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


class Site:
    """A folder with a plugins.toml, and the command run in it."""

    def __init__(
        self, folder: Path, *, text: str | None = SITE, database: str = SQLITE, key: bool = True
    ) -> None:
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
        if key:
            (folder / "var").mkdir(parents=True, exist_ok=True)
            (folder / "var/secret_key").write_text("k" * 43)
            (folder / "var/secret_key").chmod(0o600)
        if text is not None:
            self.write(text.replace("{database}", database))

    def write(self, text: str) -> None:
        """Put plugins.toml down; nobody else may read it, for it holds secrets."""
        config = self.folder / "plugins.toml"
        config.touch(mode=0o600)
        config.write_text(text)

    @property
    def database(self) -> Path:
        return self.folder / "var/frontdesk.db"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "core.cli", *arguments]

    def run(self, *arguments: str, stdin: str = "", code: int | None = 0) -> Ran:
        """Run a command to its end; `code` is what it must end with, None for anything."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return Ran(done)

    def add(self, email: str, *more: str) -> None:
        self.run("agent", "add", email, "--password-stdin", *more, stdin=PASSWORD + "\n")

    def token(self, email: str) -> str:
        return self.run("token", "create", email).out.strip()

    @contextmanager
    def serve(self, *more: str, port: str = "0") -> Iterator[Served]:
        """Serve, by default on a free port, for as long as the block lasts."""
        with self.started("serve", "--port", port, *more) as (process, said):
            first = next((line for line in said if " serves on " in line), "")
            address = first.rpartition(" ")[2].strip()
            assert address, said
            yield Served(process, address, said)

    @contextmanager
    def started(
        self, *arguments: str, until: str = "Stop it with"
    ) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """Start a command and wait until it has printed a line that holds `until`."""
        errors = self.folder / "stderr.txt"
        with errors.open("a") as stderr:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        late = threading.Timer(PATIENCE, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if until in line:
                    break
            else:
                process.wait()
                raise AssertionError(f"{process.returncode}: {said} {errors.read_text()}")
            late.cancel()
            yield process, said
        finally:
            late.cancel()
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout is not None:
                process.stdout.close()
