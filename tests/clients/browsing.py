"""The gateway's pages as a browser without scripts sees them: cookies, redirects, forms."""

from __future__ import annotations

import html
import http.cookiejar
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message

import pytest
from grpc import StatusCode

import wire
from gateway import Gateway
from wire import Raw, Refused

QUESTION = wire.statement("SELECT count(*) FROM geography.region")
ORDERS = wire.statement("SELECT count(*) FROM sales.orders")

TOKEN = re.compile(r'<pre id="token">(airp_[^<]+)</pre>')
FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass
class Page:
    """What came back."""

    status: int
    url: str
    headers: Message
    text: str

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path

    @property
    def location(self) -> str:
        return self.headers["location"]

    def hidden(self, name: str) -> str:
        """The value of a hidden field."""
        return html.unescape(dict(FIELD.findall(self.text))[name])


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are followed by hand, or not at all."""

    def redirect_request(self, *_arguments):
        return None


class Browser:
    """One browser with its cookies, at one gateway."""

    def __init__(self, running: Gateway | str, context: ssl.SSLContext | None = None) -> None:
        self.base = running if isinstance(running, str) else running.http
        self.jar = http.cookiejar.CookieJar()
        handlers = [urllib.request.HTTPCookieProcessor(self.jar), _Stay, urllib.request.ProxyHandler({})]
        self.opener = urllib.request.build_opener(*handlers, urllib.request.HTTPSHandler(context=context))

    def send(self, path: str, fields: dict[str, str] | None = None, *, follow: bool = True, **headers: str) -> Page:
        """GET, or POST of a form. Headers are written with `_` for `-`."""
        url = urllib.parse.urljoin(self.base, path)
        body = urllib.parse.urlencode(fields).encode() if fields is not None else None
        for _ in range(12):
            request = urllib.request.Request(url, body, {k.replace("_", "-"): v for k, v in headers.items()})
            try:
                with self.opener.open(request, timeout=60) as answer:
                    return Page(answer.status, url, answer.headers, answer.read().decode())
            except urllib.error.HTTPError as error:
                page = Page(error.code, url, error.headers, error.read().decode())
            if not follow or page.status not in (302, 303) or not page.location:
                return page
            url, body = urllib.parse.urljoin(url, page.location), None
        raise AssertionError(f"redirected for ever: {url}")

    get = send

    def post(self, path: str, fields: dict[str, str], **options) -> Page:
        return self.send(path, fields, **options)

    def sign_in(self, user: str, password: str) -> Page:
        form = self.get("/login")
        return self.post("/login", {"csrf": form.hidden("csrf"), "user": user, "password": password})

    def make_token(self, label: str = "a test", days: str | int = 1) -> str:
        """A new token, as the page shows it once."""
        made = self.post("/token", {"csrf": self.csrf(), "label": label, "days": str(days)})
        assert made.status == 200, made.text
        return TOKEN.search(made.text)[1]

    def csrf(self) -> str:
        return self.get("/token").hidden("csrf")

    def revoke(self, token_id: str, **options) -> Page:
        return self.post("/token/revoke", {"csrf": self.csrf(), "id": token_id}, **options)

    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value for cookie in self.jar}


def signed_in(running: Gateway, user: str) -> Browser:
    """A browser in which a demo user has signed in."""
    browser = Browser(running)
    page = browser.sign_in(user, running.users[user].password)
    assert page.status == 200 and page.path == "/", page.text
    return browser


def id_of(token: str) -> str:
    """What names a token."""
    return token.split("_")[1]


def bearer(running: Gateway, token: str) -> Raw:
    """A client that shows a token."""
    return Raw.connect(running.address, ("authorization", f"Bearer {token}"))


def refused(client: Raw, question: bytes = QUESTION) -> StatusCode:
    """How a question is refused."""
    with pytest.raises(Refused) as refusal:
        client.read(question)
    return refusal.value.code
