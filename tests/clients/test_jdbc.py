"""The Arrow Flight SQL JDBC driver, unmodified, doing what DBeaver does.

The checks are Java, in tests/jdbc: one class a theme, one method a check. A theme runs once, in a process of its own;
each of its checks is a test here.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import LORRY
from foreign import cases, reported
from gateway import Gateway

DRIVER = os.environ.get("AIRSIDE_JDBC_DRIVER")
SOURCES = Path(__file__).parents[1] / "jdbc"
CHECK = re.compile(r"^  void (\w+)\(\) throws Exception", re.MULTILINE)
# Starting a Java machine is most of the work; compiling hot code again is not worth it.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--add-opens=java.base/java.nio=ALL-UNNAMED"]

pytestmark = pytest.mark.skipif(DRIVER is None, reason="needs the JDBC driver and Java: run `make clients`")


def checks() -> list[tuple[str, str]]:
    """Every check of every theme, as its sources name them."""
    return [(path.stem, name) for path in sorted(SOURCES.glob("*.java")) for name in CHECK.findall(path.read_text())]


@pytest.fixture(scope="module")
def java(gateway, secured, everything, authority, tmp_path_factory) -> Callable[[str], dict[str, str]]:
    """Runs a theme, once; answers what became of each check: nothing to say, or why it failed."""
    folder = tmp_path_factory.mktemp("jdbc")
    subprocess.run(["javac", "-d", folder, *SOURCES.glob("*.java")], check=True, timeout=100)
    issued = authority.client(LORRY)
    files = {"roots": authority.pem, "certificate": issued.certificate, "key": issued.key}
    for name, pem in files.items():
        (folder / name).write_bytes(pem)
    settings = {name: str(folder / name) for name in files}
    settings |= {"plain": gateway.address, "secured": secured.address, "token": gateway.tokens["service"]}
    settings |= {"everything": everything.address, "reader": everything.tokens["reader"]}

    @functools.cache
    def run(theme: str) -> dict[str, str]:
        command = [*JAVA, *(f"-D{name}={value}" for name, value in settings.items())]
        command += ["-cp", f"{DRIVER}{os.pathsep}{folder}", "Checks", theme]
        return reported(command)

    return run


@pytest.mark.parametrize(("theme", "check"), cases(checks()))
def test_jdbc(theme, check, java):
    failure = java(theme)[check]
    assert not failure, failure


@pytest.mark.skipif(sys.platform != "linux", reason="reads the CPU time that Linux tells")
def test_what_was_cancelled_works_no_more(java, gateway):
    java("Cancelling")
    end = time.monotonic() + 5
    while (used := cpu_seconds(gateway, over=0.5)) > 0.25:
        assert time.monotonic() < end, f"{used} s of CPU in half a second"


def cpu_seconds(gateway: Gateway, over: float) -> float:
    """The CPU time that the gateway takes in a while."""

    def total() -> int:
        fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = total()
    time.sleep(over)
    return (total() - before) / os.sysconf("SC_CLK_TCK")
