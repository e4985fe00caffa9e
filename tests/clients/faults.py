"""A proxy between gateway and store that fails on cue."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOPS = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Faulty:
    """Hands requests on; while `fault` names one, the next `times` of them fail in that way."""

    KINDS = ("500", "503", "reset", "truncate", "slow", "hang")

    def __init__(self, target: str) -> None:
        self.target = target
        self.fault = ""
        self.times = 0
        self.failed = 0
        self.healed = threading.Event()
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    proxy.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.heal()
        self.server.shutdown()
        self.server.server_close()

    def fail(self, fault: str, times: int = 1 << 30) -> None:
        self.healed.clear()
        self.fault, self.times, self.failed = fault, times, 0

    def heal(self) -> None:
        self.fault = ""
        self.healed.set()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        fault = self._due()
        if fault in ("500", "503"):
            body = b"<Error><Code>SlowDown</Code></Error>"
            return respond(request, int(fault), [], body, len(body))
        if fault == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            return request.connection.close()
        if fault == "slow":
            time.sleep(0.3)
        if fault == "hang":
            self.healed.wait(60)
        connection = http.client.HTTPConnection(self.target, timeout=30)
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answered = connection.getresponse()
        body = answered.read()
        headers = [(name, value) for name, value in answered.getheaders() if name.lower() not in HOPS]
        length = int(answered.headers.get("content-length", len(body)))
        connection.close()
        if fault == "truncate" and len(body) > 1:
            respond(request, answered.status, headers, body[: len(body) // 2], length)
            request.close_connection = True
            return request.connection.shutdown(socket.SHUT_RDWR)
        return respond(request, answered.status, headers, body, length)

    def _due(self) -> str:
        """The fault of this request, if one is due."""
        with self._lock:
            if not self.fault or self.failed >= self.times:
                return ""
            self.failed += 1
            return self.fault


def respond(request: BaseHTTPRequestHandler, status: int, headers: list, body: bytes, length: int) -> None:
    request.send_response_only(status)
    for name, value in [*headers, ("content-length", str(length))]:
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


@contextlib.contextmanager
def before(target: str) -> Iterator[Faulty]:
    """A proxy before `target`, as long as it is needed."""
    proxy = Faulty(target)
    try:
        yield proxy
    finally:
        proxy.close()
