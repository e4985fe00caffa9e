"""A TCP relay between a client and the gateway that breaks on cue: what happens to networks and processes."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Forwards until `budget` bytes came back; then it holds what follows, or cuts every connection once."""

    def __init__(self, address: str, budget: int, *, cuts: bool = False) -> None:
        host, port = address.rsplit(":", 1)
        self._target = host, int(port)
        self._budget = budget
        self._cuts = cuts
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.spent = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self._cut()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target, 10)
                self._open += [client, server]
                threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                if counted and self._exhausted(len(data)):
                    if not self._cuts:
                        return
                    self._cut()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _exhausted(self, size: int) -> bool:
        """Whether the budget ends here; a relay that cuts does so once."""
        with self._lock:
            if self.spent.is_set():
                return not self._cuts
            self._budget -= size
            if self._budget > 0:
                return False
            self.spent.set()
            return True

    def _cut(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()
