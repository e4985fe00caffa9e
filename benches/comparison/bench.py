"""What all works share: sizes, data, and the gateway and clients that most of them use, started when asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from . import servers
from .data import Data
from .processes import Client, cpu_seconds
from .rounds import Rounds, Sample
from .servers import Header, Server
from .sizes import Sizes

# Whoever sees everything, unmasked, and whoever sees some of it.
EVERYTHING, SOME = "steward", "analyst"


class Bench:
    """One run of the works, and everything it started."""

    def __init__(self, sizes: Sizes, data: Data, scratch: Path, stack: ExitStack) -> None:
        self.sizes = sizes
        self.data = data
        self.scratch = scratch
        self._stack = stack

    @functools.cached_property
    def config(self) -> Path:
        """The mesh of TPC-H, texts and governed lines."""
        return self.data.mesh(self.scratch / "mesh", self.sizes.copies)

    @functools.cached_property
    def airside(self) -> Server:
        """The gateway on that mesh, with its defaults."""
        return self._stack.enter_context(servers.airside(self.config, self.scratch / "airside.log"))

    @functools.cache  # noqa: B019 - there is one bench in a process
    def header(self, user: str) -> Header:
        return self.airside.sign_in(user)

    @functools.cached_property
    def client(self) -> Client:
        """Reads from servers."""
        return self._stack.enter_context(Client())

    @functools.cached_property
    def embedded(self) -> Client:
        """Runs the peers that need no server."""
        return self._stack.enter_context(Client())

    def rounds(self, sides: dict[str, Callable[[], Sample]]) -> Rounds:
        return Rounds(self.sizes.runs, sides, warm_up=self.sizes.warm_up)

    def read(self, server: Server, function: Callable, *arguments) -> Sample:
        """What the client measures, and the CPU time that the server took for it."""
        used = cpu_seconds(server.pid)
        sample = self.client(function, server.location, *arguments)
        # Less than a tick is a tick: ratios of nothing are none.
        return {**sample, "cpu": max(cpu_seconds(server.pid) - used, 0.01)}
