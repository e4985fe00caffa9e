"""The servers that are measured: each in a process of its own, on ports of its own, ended with the run."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.flight as flight

import gateway as gateways

Header = tuple[bytes, bytes]
ROAPI_READY = re.compile(r"Listening on (\S+) for FlightSQL")


@dataclass(frozen=True)
class Server:
    """Where a server listens, and which process it is."""

    location: str
    pid: int
    # How long it took to be ready.
    seconds: float = 0

    def sign_in(self, user: str) -> Header:
        """A session of a user of the demo."""
        with flight.FlightClient(self.location) as client:
            return client.authenticate_basic_token(user, f"demo-{user}")


@contextmanager
def airside(config: Path, log: Path, **settings: str) -> Iterator[Server]:
    """The gateway on a configuration."""
    started = time.perf_counter()
    running = gateways.serve(config, log, env=settings)
    try:
        yield Server(running.flight, running.process.pid, time.perf_counter() - started)
    finally:
        running.kill()


@contextmanager
def cpp(*folders: Path) -> Iterator[Server]:
    """Arrow's C++ Flight server over folders of Parquet files; a ticket is a folder."""
    command = [sys.executable, "-m", "comparison.peers.cpp", *map(str, folders)]
    process = _start(command, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the C++ Flight server did not start")
        yield Server(f"grpc://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def roapi(tables: dict[str, Path], log: Path) -> Iterator[Server | None]:
    """ROAPI, which serves files through Flight SQL with DataFusion; nothing where it is not installed."""
    program = Path(sys.executable).with_name("roapi")
    if not program.exists():
        yield None
        return
    listed = "".join(
        f"  - name: {name}\n    uri: {folder}\n    option: {{ format: parquet, use_memory_table: false }}\n"
        for name, folder in tables.items()
    )
    config = log.with_suffix(".yml")
    config.write_text(
        'addr: { http: "127.0.0.1:0", postgres: "127.0.0.1:0", flight_sql: "127.0.0.1:0" }\n' + f"tables:\n{listed}"
    )
    with log.open("wb") as output:
        process = _start([program, "-c", config], stdout=output, stderr=output)
    try:
        end = time.monotonic() + 30
        while not (ready := ROAPI_READY.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"roapi did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield Server(f"grpc://{ready[1]}", process.pid)
    finally:
        process.kill()
        process.wait(10)


def _start(command: list[str | Path], **streams) -> subprocess.Popen:
    """Starts what ends with this process, even if that is killed."""
    ending = [sys.executable, "-S", "-c", gateways.END_WITH_PARENT]
    return subprocess.Popen([*ending, *command], stdin=subprocess.DEVNULL, **streams)
