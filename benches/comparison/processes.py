"""Processes: the clients' own, and what the system says of a server's."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
# The longest single call of a client; what takes longer hangs.
PATIENCE = 300


class Client:
    """A process that calls functions, one after the other, and keeps its connections between them."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _end_with_parent)

    def __call__(self, function: Callable, *arguments):
        return self.begin(function, *arguments).result(PATIENCE)

    def begin(self, function: Callable, *arguments) -> Future:
        return self._pool.submit(function, *arguments)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used, ended ones included, to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def peak_memory(pid: int) -> float:
    """The most memory a process ever held, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"the system does not say how much memory process {pid} held")
