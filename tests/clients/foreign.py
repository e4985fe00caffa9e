"""Checks that run in another language or environment, each of which is a test here.

Their program prints a line for each: `ok name`, or `fail name: why`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

import pytest

_LINE = re.compile(r"(ok|fail) (\w+)(?:: (.*))?$")


def reported(command: list, timeout: float = 100, **options) -> dict[str, str]:
    """Runs such a program; answers of each check why it failed, nothing for those that did not."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    lines = [_LINE.match(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and lines and all(lines), f"{done.stdout}\n{done.stderr[-4000:]}"
    return {line[2]: "" if line[1] == "ok" else line[3] or "failed" for line in lines}


def cases(found: Iterable[tuple[str, ...]]) -> list:
    """Parameters of a test, from what the sources name."""
    return [pytest.param(*each, id=".".join(each)) for each in found]
