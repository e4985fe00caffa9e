"""A domain's folder that lies in an object store, and what becomes of a gateway when that store does not answer."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import faults
import gateway as gateways
import hostile
import lake
import stores
from gateway import Gateway
from test_stores import needs_stores

pytestmark = [needs_stores, pytest.mark.timeout(180)]
PATIENCE = 2
POLICY = """
permit (principal in Group::"GROUP", action in Action::"read", resource in Domain::"remote");
"""
ROWS = 5


@pytest.fixture
def proxy(ceph) -> Iterator[faults.Faulty]:
    with faults.before(ceph.endpoint) as proxy:
        yield proxy


class Remote:
    """The folder of the domain `remote`, in the store."""

    def __init__(self, ceph: stores.Store, prefix: str) -> None:
        self.store = ceph.below(prefix)

    def fill(self, group: str = "readers") -> None:
        schema = pa.schema([("id", pa.int64())])
        self.store.write("domain.toml", b'owner = "Nobody"\ncontact = "nobody@example.com"\n')
        self.grant(group)
        document = hostile.contract("remote", "thing", schema, "data/thing.parquet")
        self.store.write("products/thing.odcs.yaml", json.dumps(document).encode())

    def grant(self, group: str) -> None:
        self.store.write("policies/access.cedar", POLICY.replace("GROUP", group).encode())


def write(directory: Path, ceph: stores.Store, proxy: faults.Faulty, prefix: str) -> Path:
    """A mesh of two domains, one in the store; their data is on this machine. Answers the configuration."""
    Remote(ceph, prefix).fill()
    mesh = hostile.Mesh(directory)
    mesh.domain("home", POLICY.replace("GROUP", "readers").replace("remote", "home"))
    table = pa.table({"id": pa.array(range(ROWS))})
    mesh.product("home", "thing", table)
    data = directory / "remote/data"
    data.mkdir(parents=True)
    (data / "thing.parquet").write_bytes(lake.parquet(table))
    settings = (
        f"[data]\nrefresh_seconds = 1\npatience_seconds = {PATIENCE}\n"
        f'[mesh.domains.remote]\nroot = "{ceph.root}{prefix}/"\ndata = "{directory}/remote"\n'
    )
    # By default a request that fails is tried for minutes.
    return mesh.govern(hostile.GOVERNANCE, settings + stores.s3_settings(proxy.endpoint))


def serve(config: Path) -> Gateway:
    return gateways.serve(config, config.parent / "gateway.log", env=stores.credentials())


def count(running: Gateway, name: str, domain: str = "remote") -> int:
    """How many rows somebody sees; none who may not know of the product."""
    command = flight.FlightDescriptor.for_command(f"SELECT id FROM {domain}.thing".encode())
    with flight.FlightClient(running.flight) as client:
        try:
            info = client.get_flight_info(command, lake.options(name))
            return client.do_get(info.endpoints[0].ticket, lake.options(name)).read_all().num_rows
        except (flight.FlightError, pa.ArrowException):
            return 0


def add(directory: Path) -> None:
    """A row more for the domain at home."""
    file = directory / "mesh/domains/home/data/thing/part.parquet"
    new = file.with_suffix(".new")
    new.write_bytes(lake.parquet(pa.table({"id": pa.array(range(ROWS + 1))})))
    new.rename(file)


def test_a_gateway_goes_on_while_the_store_of_a_root_hangs(ceph, proxy, tmp_path):
    """The last good mesh is served, other data is followed, and the mesh once it can be read again."""
    config = write(tmp_path, ceph, proxy, "remote-hangs")
    running = serve(config)
    try:
        assert count(running, "reader") == ROWS and count(running, "stranger") == 0
        proxy.fail("hang")
        Remote(ceph, "remote-hangs").grant("strangers")
        told = "has not answered within 2 s"
        running.wait_until(lambda: told in running.log_text(), "the reason", timeout=PATIENCE + 8)
        assert f"{ceph.root}remote-hangs/" in running.log_text()
        assert count(running, "reader") == ROWS and count(running, "stranger") == 0
        add(tmp_path)
        begun = time.monotonic()
        running.wait_until(lambda: count(running, "reader", "home") == ROWS + 1, "the new file", timeout=10)
        assert time.monotonic() - begun < 10
        assert running.get("/readyz")[0] == 200
        proxy.heal()
        running.wait_until(lambda: count(running, "stranger") == ROWS, "the new mesh", timeout=15)
        assert count(running, "reader") == 0
    finally:
        proxy.heal()
        assert running.stop() == 0, running.tail()
    assert stores.SECRET not in running.log_text()


def test_a_gateway_ends_while_the_store_of_a_root_hangs(ceph, proxy, tmp_path):
    running = serve(write(tmp_path, ceph, proxy, "remote-ends"))
    proxy.fail("hang")
    time.sleep(1.5)
    begun = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - begun < 5


def test_a_start_without_the_store_of_a_root_ends_soon_and_says_why(ceph, proxy, tmp_path):
    config = write(tmp_path, ceph, proxy, "remote-starts")
    proxy.fail("hang")
    begun = time.monotonic()
    result = gateways.run("serve", "--config", config, env=environment())
    assert result.returncode != 0
    assert time.monotonic() - begun < PATIENCE + 10
    told = result.stdout + result.stderr
    assert f"{ceph.root}remote-starts/" in told and "has not answered within 2 s" in told
    assert stores.SECRET not in told and stores.KEY not in told


def test_a_start_that_waits_for_a_store_can_be_ended(ceph, proxy, tmp_path):
    config = write(tmp_path, ceph, proxy, "remote-waits")
    config.write_text(config.read_text().replace(f"patience_seconds = {PATIENCE}", "patience_seconds = 100"))
    proxy.fail("hang")

    starting = subprocess.Popen(
        [gateways.binary(), "serve", "--config", config],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        end = time.monotonic() + 60
        while not proxy.failed and time.monotonic() < end:
            time.sleep(0.1)
        assert proxy.failed, "it has not asked the store"
        starting.send_signal(signal.SIGTERM)
        assert starting.wait(10) == 0
    finally:
        starting.kill()


def environment() -> dict[str, str]:
    free = {"AIRSIDE_FLIGHT__ADDR": "127.0.0.1:0", "AIRSIDE_HTTP__ADDR": "127.0.0.1:0"}
    return {**stores.credentials(), **free}
