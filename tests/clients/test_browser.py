"""A person at a real browser: signs in, looks around, makes a token, uses it in Python, revokes it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

import pyarrow.flight as flight
import pytest

from bearer import AUDIENCE, with_groups_claim
from conftest import Session
from provider import Provider, needs_node

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

pytestmark = [
    pytest.mark.skipif("AIRSIDE_BROWSER_DIR" not in os.environ, reason="needs node: run `make clients`"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs Chromium at {CHROMIUM}"),
]


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, folder: Path, running) -> None:
        home = Path(os.environ["AIRSIDE_BROWSER_DIR"])
        # Node resolves packages beside the script that imports them.
        script = shutil.copy(Path(__file__).parent.parent / "browser" / "drive.mjs", home / "drive.mjs")
        self.base = running.http
        self.log = folder / "browser.log"
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                ["node", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "CHROMIUM": CHROMIUM, "PROFILE": str(folder / "profile")},
            )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._answer() == "ready"

    def _read(self) -> None:
        for line in self.process.stdout:
            self.answers.put(line)

    def _answer(self):
        try:
            answer = json.loads(self.answers.get(timeout=60))
        except queue.Empty:
            raise AssertionError(f"the browser does not answer\n{self.log.read_text()}") from None
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def do(self, command: str, at: str | None = None, **more):
        self.process.stdin.write(json.dumps({"do": command, "at": at, **more}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def goto(self, path: str) -> int:
        return self.do("goto", url=self.base + path)

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def person(tmp_path):
    started: list[Person] = []

    def start(running) -> Person:
        started.append(Person(tmp_path, running))
        return started[-1]

    yield start
    for each in started:
        each.close()


def read_with(running, token: str) -> int:
    session = Session(flight.FlightClient(running.flight), (b"authorization", f"Bearer {token}".encode()))
    return session.sql("SELECT count(*) AS n FROM sales.orders")["n"][0].as_py()


def makes_uses_and_revokes_a_token(somebody: Person, running) -> None:
    somebody.do("click", "nav a[href='/token']")
    somebody.do("fill", "input[name=label]", text="a browser's")
    somebody.do("fill", "input[name=days]", text="2")
    somebody.do("click", "form[action='/token'] button")
    token = somebody.do("text", "#token")
    assert token.startswith("airp_") and "a browser's" in somebody.do("text", "#tokens")
    assert read_with(running, token) > 0
    somebody.goto("/token")
    assert somebody.do("count", "#token") == 0, "it is shown once"
    somebody.do("click", "form[action='/token/revoke'] button")
    assert "no tokens" in somebody.do("text", "main")
    with pytest.raises(flight.FlightUnauthenticatedError):
        read_with(running, token)
    somebody.do("click", "form[action='/logout'] button")
    assert somebody.do("url").endswith("/login")
    somebody.goto("/token")
    assert somebody.do("url").endswith("/login")
    complaints = somebody.do("complaints")
    assert not complaints, complaints


def test_a_user_with_a_password(person, private):
    running = private()
    somebody = person(running)
    assert somebody.goto("/") == 200
    somebody.do("fill", "input[name=user]", text="owner")
    somebody.do("fill", "input[name=password]", text="wrong")
    somebody.do("click", "form button")
    assert "not accepted" in somebody.do("text", "main")
    assert any("401" in text for text in somebody.do("complaints"))
    somebody.do("fill", "input[name=user]", text="owner")
    somebody.do("fill", "input[name=password]", text=running.users["owner"].password)
    somebody.do("click", "form button")
    assert "sales.orders" in somebody.do("text", "main") and "customers.customer" not in somebody.do("text", "main")
    for cookie in somebody.do("cookies"):
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax", cookie
    somebody.do("click", "a[href='/products/sales/orders']")
    assert "o_orderkey" in somebody.do("text", "main") and running.flight in somebody.do("text", "#pyarrow")
    makes_uses_and_revokes_a_token(somebody, running)


@needs_node
def test_a_person_of_an_identity_provider(person, configured, tmp_path):
    provider = Provider(tmp_path, people=[{"name": "ada", "groups": ["sales_owners"]}])
    try:
        (tmp_path / "secret").write_text("pages-secret")
        running = configured(
            f"""
[[authn.oidc]]
issuer = "{provider.issuer}"
audience = "{AUDIENCE}"
allow_http_loopback = true
[authn.oidc.login]
client_id = "pages"
client_secret = "file:{tmp_path}/secret"
label = "the provider"
""",
            principals=with_groups_claim,
        )
        somebody = person(running)
        somebody.goto("/")
        somebody.do("click", "a.button")
        assert somebody.do("url").startswith(provider.issuer)
        somebody.do("fill", "input[name=name]", text="ada")
        somebody.do("click", "button")
        assert somebody.do("url") == running.http + "/", somebody.do("text", "body")
        somebody.do("complaints")  # The provider has no icon.
        assert "ada" in somebody.do("text", "header") and "sales.orders" in somebody.do("text", "main")
        makes_uses_and_revokes_a_token(somebody, running)
    finally:
        provider.stop()
