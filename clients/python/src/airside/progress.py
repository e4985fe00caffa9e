"""A progress bar for downloads, on a terminal, if `rich` is installed (`pip install airside[progress]`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol


class Meter(Protocol):
    """What a download tells of itself, from several threads."""

    def add(self, *, rows: int = 0, size: int = 0, endpoints: int = 0) -> None:
        """So much more came, or less if an endpoint is read again."""


class Silent:
    """Shows nothing."""

    def add(self, *, rows: int = 0, size: int = 0, endpoints: int = 0) -> None:
        pass


@contextmanager
def meter(enabled: bool | None, what: str, endpoints: int) -> Iterator[Meter]:
    """Shows a bar while it is open: if `enabled`, or if that is None and standard error is a terminal."""
    if enabled is False or (enabled is None and not sys.stderr.isatty()):
        yield Silent()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    except ImportError:
        if enabled:
            raise ImportError("a progress bar needs rich: pip install 'airside[progress]'") from None
        yield Silent()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[megabytes]:,.1f} MB", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        # One endpoint has no parts to count: its bar only moves.
        task = shown.add_task(what, total=endpoints if endpoints > 1 else None, rows=0, megabytes=0.0)

        class Bar:
            def __init__(self) -> None:
                self.rows = self.size = 0
                self.lock = Lock()

            def add(self, *, rows: int = 0, size: int = 0, endpoints: int = 0) -> None:
                with self.lock:
                    self.rows += rows
                    self.size += size
                shown.update(task, advance=endpoints, rows=self.rows, megabytes=self.size / 1e6)

        yield Bar()
