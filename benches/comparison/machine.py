"""What was measured on, and what was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import gateway as gateways

PACKAGES = ["pyarrow", "duckdb", "datafusion", "roapi", "adbc-driver-flightsql"]


def describe() -> list[str]:
    """The machine and the versions, line by line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{package} {version}" for package in PACKAGES if (version := installed(package))]
    airside = subprocess.run([gateways.binary(), "--version"], capture_output=True, text=True, timeout=60, check=True)
    return [
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        ", ".join([airside.stdout.strip(), *versions]),
    ]


def installed(package: str) -> str | None:
    """A package's version, if it is there: peers may be absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def load() -> float:
    """How busy the machine was in the last minute: above zero at the start, figures are noisy."""
    return os.getloadavg()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
