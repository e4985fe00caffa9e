"""A network that fails: forwards to an address, and cuts connections when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Forwards TCP. `cut(after)` ends the connection on which so many more bytes have come back, once."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._budget: int | None = None
        self._open: set[socket.socket] = set()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self, after: int = 0) -> None:
        with self._lock:
            self._budget = after

    def close(self) -> None:
        self._listener.close()
        for each in list(self._open):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                threading.Thread(target=self._forward, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, True), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if back and self._spent(len(data)):
                    break
                sink.sendall(data)
        _end(source)
        _end(sink)

    def _spent(self, size: int) -> bool:
        with self._lock:
            if self._budget is None:
                return False
            self._budget -= size
            if self._budget > 0:
                return False
            self._budget = None
            self.cuts += 1
            return True


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
