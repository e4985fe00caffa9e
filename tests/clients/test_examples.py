"""The programs of examples/: whole products pulled over all endpoints, killed in the middle, and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from gateway import Gateway
from mesh_files import MeshFiles
from proxy import Relay

EXAMPLES = Path(__file__).parents[2] / "examples"
GO = os.environ.get("AIRSIDE_GO_PULL")
JAVA = os.environ.get("AIRSIDE_JAVA_LIBRARIES")
JAVA_COMMAND = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--add-opens=java.base/java.nio=ALL-UNNAMED"]
KEYS = "l_orderkey", "l_linenumber"


@dataclass
class Puller:
    """One of the programs."""

    command: list

    def start(self, address: str, product: str, folder: Path, **settings: str) -> subprocess.Popen:
        login = {"AIRSIDE_USER": "steward", "AIRSIDE_PASSWORD": "demo-steward"}
        return subprocess.Popen(
            [*self.command, f"grpc://{address}", product, folder],
            env=os.environ | login | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pull(self, address: str, product: str, folder: Path, **settings: str) -> Path:
        """Runs it to its end; answers the folder that it says the parts lie in."""
        running = self.start(address, product, folder, **settings)
        told, said = running.communicate(timeout=60)
        assert running.returncode == 0, said
        return Path(told.strip())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("go", marks=pytest.mark.skipif(GO is None, reason="needs Go: run `make clients`")),
        pytest.param("java", marks=pytest.mark.skipif(JAVA is None, reason="needs Java: run `make clients`")),
    ],
)
def puller(request, tmp_path_factory) -> Puller:
    if request.param == "go":
        return Puller([GO])
    classes = tmp_path_factory.mktemp("classes")
    source = EXAMPLES / "java/Pull.java"
    subprocess.run(["javac", "-proc:none", "-cp", f"{JAVA}/*", "-d", classes, source], check=True, timeout=60)
    return Puller([*JAVA_COMMAND, "-cp", f"{JAVA}/*{os.pathsep}{classes}", "Pull"])


@pytest.fixture(scope="module")
def pieces(configured) -> Gateway:
    """A gateway whose endpoints are small: the demo's files are."""
    return configured("", env={"AIRSIDE_FLIGHT__ENDPOINT_BYTES": "100000"})


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("part-*.arrow"))


def table(folder: Path) -> pa.Table:
    """The rows of all parts."""
    return pa.concat_tables(pa.ipc.open_file(pa.memory_map(str(part))).read_all() for part in parts(folder))


def assert_whole(folder: Path, files: MeshFiles) -> None:
    """Every line item is there once."""
    found = table(folder)
    assert found.num_columns == 16
    expected = files.sql(f"SELECT {', '.join(KEYS)} FROM sales.lineitem ORDER BY ALL")
    assert found.select(KEYS).sort_by([(key, "ascending") for key in KEYS]).to_pydict() == expected.to_pydict()


def test_a_product_is_pulled_whole(puller, pieces, files, tmp_path):
    folder = puller.pull(pieces.address, "sales.lineitem", tmp_path)
    assert len(parts(folder)) > 4
    assert folder.parent == tmp_path and (folder / "receipt.bin").stat().st_size > 0
    assert_whole(folder, files)


def test_a_puller_that_was_killed_goes_on(puller, pieces, files, tmp_path):
    with Relay(pieces.address, budget=3 << 20) as relay:
        running = puller.start(relay.address, "sales.lineitem", tmp_path, AIRSIDE_PARALLEL="2")
        assert relay.spent.wait(30)
        time.sleep(0.5)  # what was under way is written
        running.kill()
        running.communicate(timeout=10)
    finished = {part: part.stat().st_mtime_ns for part in parts(tmp_path)}
    assert finished and list(tmp_path.rglob("*.part"))
    folder = puller.pull(pieces.address, "sales.lineitem", tmp_path)
    assert len(parts(folder)) > len(finished)
    assert all(part.stat().st_mtime_ns == written for part, written in finished.items())
    assert not list(tmp_path.rglob("*.part"))
    assert_whole(tmp_path, files)


def test_a_broken_connection_is_made_anew(puller, pieces, files, tmp_path):
    with Relay(pieces.address, budget=3 << 20, cuts=True) as relay:
        folder = puller.pull(relay.address, "sales.lineitem", tmp_path)
        assert relay.spent.is_set()
    assert_whole(folder, files)


def test_tickets_that_end_under_way_are_asked_for_anew(puller, configured, files, tmp_path):
    hasty = configured("", env={"AIRSIDE_FLIGHT__ENDPOINT_BYTES": "20000", "AIRSIDE_TICKETS__TTL_SECONDS": "1"})
    running = puller.start(hasty.address, "sales.lineitem", tmp_path, AIRSIDE_PARALLEL="1")
    hasty.wait_until(lambda: parts(tmp_path), "the first part", pause=0.001)
    running.send_signal(signal.SIGSTOP)
    time.sleep(1.2)  # what it holds ends
    running.send_signal(signal.SIGCONT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert "asking again" in said and "expired" in said, said
    assert_whole(tmp_path, files)


def test_unlike_answers_do_not_mix(puller, pieces, tmp_path):
    token = pieces.tokens["service"]
    without = puller.pull(pieces.address, "supply.partsupp", tmp_path, AIRSIDE_TOKEN=token)
    audited = puller.pull(pieces.address, "supply.partsupp", tmp_path, AIRSIDE_TOKEN=token, AIRSIDE_PURPOSE="audit")
    assert without != audited
    assert "ps_supplycost" not in table(without).column_names
    assert "ps_supplycost" in table(audited).column_names


def test_what_is_not_there_is_said_at_once(puller, pieces, tmp_path):
    running = puller.start(pieces.address, "sales.no_such_product", tmp_path)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "product `sales.no_such_product` not found" in said
