"""The Go clients, unmodified: ADBC's driver and arrow-go's own.

The tests are Go, in tests/go. Their binary runs once; each of its tests is a test here.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from certificates import Authority
from foreign import cases
from gateway import Gateway

BINARY = os.environ.get("AIRSIDE_GO_TESTS")
SOURCES = Path(__file__).parents[1] / "go"
TEST = re.compile(r"^func (Test\w+)\(t \*testing\.T\)", re.MULTILINE)

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs the tests' binary and Go: run `make clients`")


def names() -> list[tuple[str]]:
    """Every test, as the sources name them."""
    return [(name,) for path in sorted(SOURCES.glob("*_test.go")) for name in TEST.findall(path.read_text())]


@pytest.fixture(scope="module")
def outcomes(gateway: Gateway, secured: Gateway, authority: Authority, tmp_path_factory) -> dict[str, tuple[str, str]]:
    """What became of each test, and what it printed."""
    roots = tmp_path_factory.mktemp("go") / "ca.pem"
    roots.write_bytes(authority.pem)
    given = {"GATEWAY": gateway.address, "SECURED": secured.address, "ROOTS": str(roots)}
    done = subprocess.run(
        [BINARY, "-test.v", "-test.timeout=90s"],
        env={**os.environ, **given, "TOKEN": gateway.tokens["service"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found: dict[str, tuple[str, str]] = {}
    for run in re.split(r"^=== RUN\s+(?=\w+$)", done.stdout, flags=re.MULTILINE)[1:]:
        if end := re.search(r"^--- (PASS|FAIL|SKIP): (\w+)", run, re.MULTILINE):
            found[end[2]] = end[1], run
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.parametrize("name", cases(names()))
def test_go(name, outcomes):
    outcome, printed = outcomes.get(name, ("did not end", ""))
    assert outcome == "PASS", printed
