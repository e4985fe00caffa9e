"""Starts and ends the real gateway: the binary, its ready line, its users, its log.

All that the tests assume about the command line stands in this one file.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

READY = re.compile(r"^ready flight=((?:,?grpc(?:\+tls)?://[^,\s]+)+) http=(https?://\S+)$")
USER = re.compile(r"^user (\S+) password (\S+) groups (\S*)$")

# A debug build generates the demo data and plans queries slowly; what takes longer than this hangs.
START_TIMEOUT = 120.0
DRAIN_TIMEOUT = 30.0


def binary() -> Path:
    """The gateway under test: `AIRSIDE_BIN`, else the debug build."""
    named = os.environ.get("AIRSIDE_BIN")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "airside" / "target"
    target = Path(os.environ.get("CARGO_TARGET_DIR", cache))
    return target / "debug" / "airside"


def run(*arguments: str | Path, timeout: float = 60, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Runs the binary to its end: `airside check` and refusals to start."""
    return subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=_environment(env),
        check=False,
    )


@dataclass
class User:
    """One who can sign in."""

    name: str
    password: str
    groups: tuple[str, ...] = ()


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen
    log: Path
    directory: Path | None = None
    # Every Flight listener, the configuration's first one first.
    listeners: list[str] = field(default_factory=list)
    http: str = ""
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    stdout: list[str] = field(default_factory=list)

    @property
    def flight(self) -> str:
        return self.listeners[0]

    @property
    def address(self) -> str:
        """`host:port` of the Flight listener."""
        return self.flight.split("://", 1)[1]

    def get(self, path: str, timeout: float = 10) -> tuple[int, str]:
        """Status and body of a page of the HTTP listener."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def log_text(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    def terminate(self) -> None:
        """Asks it to drain."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = DRAIN_TIMEOUT) -> int:
        """Its exit code; a gateway that does not drain in time is ended, and that is a failure."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not drain within {timeout} s\n{self.tail()}") from None

    def stop(self) -> int:
        """Drains it and answers its exit code."""
        if self.process.poll() is None:
            self.terminate()
        return self.wait()

    def kill(self) -> None:
        """Ends it at once."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def tail(self, lines: int = 40) -> str:
        """The end of its log, for a failure's report."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def wait_until(self, condition, what: str, timeout: float = 30, pause: float = 0.1) -> None:
        """Waits until `condition()` holds."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen within {timeout} s\n{self.tail()}"
            assert self.process.poll() is None, f"the gateway ended while waiting: {what}\n{self.tail()}"
            time.sleep(pause)


def demo(directory: Path, log: Path, *, scale: str = "0.01", env: dict[str, str] | None = None) -> Gateway:
    """`airside demo` on `directory`, with its users' passwords read from stdout."""
    gateway = start(
        ["demo", "--dir", directory, "--scale", scale, "--flight-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"],
        log,
        env=env,
        complete=lambda gateway: bool(gateway.tokens),
    )
    gateway.directory = directory
    return gateway


def serve(config: Path, log: Path, *, env: dict[str, str] | None = None) -> Gateway:
    """`airside serve` on a configuration of a test's own, on free ports."""
    free = {"AIRSIDE_FLIGHT__ADDR": "127.0.0.1:0", "AIRSIDE_HTTP__ADDR": "127.0.0.1:0"}
    gateway = start(["serve", "--config", config], log, env={**free, **(env or {})})
    gateway.directory = config.parent
    return gateway


def start(arguments, log: Path, *, env=None, complete=lambda gateway: True) -> Gateway:
    """Starts the binary and waits for its ready line, and for `complete` if there is more to read."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", END_WITH_PARENT, binary(), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=_environment(env),
        )
    gateway = Gateway(process, log)
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    end = time.monotonic() + START_TIMEOUT
    while not gateway.listeners or not complete(gateway):
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            gateway.kill()
            raise AssertionError(f"not ready within {START_TIMEOUT} s\n{gateway.stdout}\n{gateway.tail()}") from None
        if line is None:
            code = process.wait(10)
            raise AssertionError(f"ended with {code} before it was ready\n{gateway.stdout}\n{gateway.tail()}")
        _understand(gateway, line.rstrip("\n"))
    return gateway


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    """The tests' own settings are none of the gateway's: it refuses what it does not know."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRSIDE_")}
    return {**inherited, **(extra or {})}


def _read(stream, lines: queue.Queue) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _understand(gateway: Gateway, line: str) -> None:
    gateway.stdout.append(line)
    if ready := READY.match(line):
        gateway.listeners, gateway.http = ready[1].split(","), ready[2]
    elif user := USER.match(line):
        name, password, groups = user.groups()
        gateway.users[name] = User(name, password, tuple(filter(None, groups.split(","))))
    elif token := re.match(r"^token (\S+) (\S+)", line):
        gateway.tokens[token[1]] = token[2]


# Where the system can (Linux), a gateway does not outlive a test run that was killed. A program of its own sees to it:
# code of ours between fork and exec would run in a copy of gRPC's threads, which now and then aborts.
END_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""
