"""What commands print where nobody reads on, or where it cannot be written."""

import subprocess
from pathlib import Path

import pytest

from gateway import binary

# With the demo's folder as the place to look for `airside.toml`.
COMMANDS = {
    "check": ["check"],
    "access": ["access", "sales.orders"],
    "explain": ["explain", "--as", "analyst", "sales.orders"],
    "test": ["test", "--domain", "geography"],
    "mint-token": ["mint-token"],
    "query": ["audit", "query"],
    "help": ["--help"],
}


def run(folder: Path, command: list[str], **streams) -> subprocess.Popen:
    return subprocess.Popen([binary(), *command], cwd=folder, stdin=subprocess.DEVNULL, **streams)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_goes_is_no_failure(gateway, command):
    process = run(gateway.directory, COMMANDS[command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    told = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 0 and "panicked" not in told and "error" not in told, told


def test_not_even_where_nobody_hears_of_errors(tmp_path):
    process = run(tmp_path, ["check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.close()
    assert process.wait(60) == 1, "there is no configuration"


def test_output_that_is_lost_is_a_failure(gateway):
    with open("/dev/full", "wb") as full:
        process = run(gateway.directory, COMMANDS["access"], stdout=full, stderr=subprocess.PIPE)
        told = process.stderr.read().decode()
        process.stderr.close()
    assert process.wait(60) == 1 and "error: the output could not be written" in told
