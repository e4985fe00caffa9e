"""A web service of a test's own: it answers by a function, keeps what it was asked, and fails on cue."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Request:
    """What a service was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2]))

    @property
    def form(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.body.decode()))


@dataclass
class Answer:
    """What it answered."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    @staticmethod
    def json(document: dict) -> Answer:
        return Answer(body=json.dumps(document).encode(), headers=[("content-type", "application/json")])


class Service:
    """The service. `fail` makes it fail until `heal`: with a status, or it hangs."""

    def __init__(self, answer: Callable[[Request], Answer], tls: Path | None = None) -> None:
        self.asked: list[Request] = []
        self._answer = answer
        self._fault = ""
        self._healed = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = service.answer(Request(self.command, self.path, headers, body))
                with contextlib.suppress(OSError):
                    self.send_response_only(answer.status)
                    for name, value in answer.headers:
                        self.send_header(name, value)
                    if not any(name.lower() == "content-length" for name, _ in answer.headers):
                        self.send_header("content-length", str(len(answer.body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(answer.body)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "server.pem", tls / "server.key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.endpoint = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.endpoint}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if self._fault == "hang":
            self._healed.wait(60)
        elif self._fault:
            return Answer(int(self._fault), b"out of order")
        return self._answer(request)

    def fail(self, fault: str) -> None:
        self._healed.clear()
        self._fault = fault

    def heal(self) -> None:
        self._fault = ""
        self._healed.set()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()


def forward(endpoint: str, request: Request) -> Answer:
    """Hands a request on to a server without TLS, under its own name."""
    connection = http.client.HTTPConnection(endpoint, timeout=30)
    try:
        connection.request(request.method, request.target, request.body or None, {**request.headers, "host": endpoint})
        answered = connection.getresponse()
        hops = {"connection", "transfer-encoding"}
        headers = [(name, value) for name, value in answered.getheaders() if name.lower() not in hops]
        return Answer(answered.status, answered.read(), headers)
    finally:
        connection.close()
