"""Stores that fail: the right rows or a clean refusal to ask again, in time, and nobody else's products with them."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import faults
import hostile
import lake
import stores
from lake import Lake
from test_stores import everything, needs_stores

pytestmark = needs_stores
MEANS = "timeout_seconds = 1\nretries = 3\n"
HOME = """
permit (principal in Group::"readers", action in Action::"read", resource in Domain::"home");
"""


def behind(store: stores.Store, proxy: faults.Faulty, prefix: str) -> stores.Store:
    """A prefix of the store as the gateway reaches it by the proxy; the test writes directly."""
    settings = stores.s3_settings(proxy.endpoint, more=MEANS)
    return dataclasses.replace(store.below(prefix), settings=settings)


def at_home(mesh: hostile.Mesh) -> None:
    """Another domain, with files of its own on this machine."""
    mesh.domain("home", HOME)
    mesh.product("home", "thing", pa.table({"id": pa.array(range(5))}))


def home(own: Lake) -> list[int]:
    return own.ask("keeper", "SELECT id FROM home.thing ORDER BY id")["id"].to_pylist()


@pytest.fixture(scope="module")
def proxy(ceph) -> Iterator[faults.Faulty]:
    with faults.before(ceph.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def own(ceph, proxy, tmp_path_factory) -> Iterator[Lake]:
    """A gateway whose store is behind the proxy; footers are not kept, so every question asks the store."""
    store = behind(ceph, proxy, "faults")
    lake.fill(store)
    settings = "[sources]\nfooter_cache_bytes = 0\n"
    running = lake.serve(tmp_path_factory.mktemp("faults") / "mesh", store, settings, also=at_home)
    yield running
    proxy.heal()
    assert running.running.stop() == 0, running.running.tail()
    assert "panicked" not in running.running.log_text()


@pytest.fixture(autouse=True)
def healed(proxy, own) -> Iterator[None]:
    yield
    proxy.heal()
    own.eventually(everything())


@pytest.mark.parametrize("fault", faults.Faulty.KINDS)
def test_what_passes_is_not_noticed_or_said(own, proxy, fault):
    """Two failures of requests: retries take them, or the caller is told to ask again; never other rows."""
    for _ in range(3):
        proxy.fail(fault, times=2)
        try:
            assert own.ids("reader") == [id for id in everything() if id % 2 and id >= 1000]
        except flight.FlightUnavailableError as refused:
            assert_clean(refused)


@pytest.mark.parametrize("fault", [kind for kind in faults.Faulty.KINDS if kind != "slow"])
def test_what_stays_is_a_clean_refusal(own, proxy, fault):
    proxy.fail(fault)
    begun = time.monotonic()
    with pytest.raises(flight.FlightUnavailableError) as refused:
        own.ids("keeper")
    assert time.monotonic() - begun < 20
    assert_clean(refused.value)
    assert home(own) == list(range(5)), "other stores' products answer"


def assert_clean(refused: flight.FlightError) -> None:
    words = r"lake/|faults/|events/|day=|parquet|http|SlowDown|timed out|" + stores.KEY
    assert not re.search(words, str(refused).split(". gRPC client debug context")[0]), refused


def test_a_changed_mesh_is_taken_over_while_a_store_hangs(own, proxy):
    """Even one that changes a contract over the hanging store: its product is missing until the store answers."""
    proxy.fail("hang")
    contract = own.running.directory / "mesh/domains/own/products/events.odcs.yaml"
    contract.write_text(contract.read_text().replace("The column note.", "What was noted."))
    policies = own.running.directory / "mesh/domains/home/policies/access.cedar"
    policies.write_text(
        'permit (principal in Group::"strangers", action in Action::"read", resource in Domain::"home");'
    )
    own.running.wait_until(lambda: sees_home(own, "stranger"), "the changed policy", timeout=15)
    with pytest.raises(flight.FlightUnavailableError):
        own.ids("keeper")


def sees_home(own: Lake, name: str) -> bool:
    try:
        return own.ask(name, "SELECT id FROM home.thing").num_rows == 5
    except (flight.FlightError, pa.ArrowException):
        return False


def test_a_gateway_starts_while_a_store_hangs(ceph, proxy, own, tmp_path):
    store = behind(ceph, proxy, "faults")
    proxy.fail("hang")
    begun = time.monotonic()
    starting = lake.serve(tmp_path / "mesh", store, also=at_home)
    try:
        assert time.monotonic() - begun < 15
        assert home(starting) == list(range(5))
        with pytest.raises(flight.FlightUnavailableError) as refused:
            starting.ids("keeper")
        assert_clean(refused.value)
        proxy.heal()
        starting.eventually(everything())
        assert "own.events" in starting.running.log_text(), "the operator reads whose data was missing"
    finally:
        assert starting.running.stop() == 0


def test_wrong_credentials_are_the_operators_to_know(ceph, own, tmp_path):
    store = dataclasses.replace(ceph.below("faults"), settings=stores.s3_settings(ceph.endpoint, key="S3_WRONG_KEY"))
    refused_there = lake.serve(tmp_path / "mesh", store, also=at_home)
    try:
        assert home(refused_there) == list(range(5))
        with pytest.raises(flight.FlightUnavailableError) as refused:
            refused_there.ids("keeper")
        assert_clean(refused.value)
        log = refused_there.running.log_text()
        assert "own.events" in log and stores.SECRET not in log
    finally:
        assert refused_there.running.stop() == 0


def test_several_stores_of_a_kind_live_side_by_side(ceph, own, tmp_path):
    """Each with its own address and credentials; one that refuses does not stop the other."""
    good = ceph.below("faults")
    ceph.files.create_dir("pond")
    other = dataclasses.replace(ceph, folder="pond", root="s3://pond/")
    for number in range(lake.DAYS):
        other.write(lake.path(number), lake.parquet(lake.rows(number, start=300)))

    def pond(mesh: hostile.Mesh) -> None:
        mesh.domain("pond", "")
        document = hostile.contract("pond", "events", lake.SCHEMA, "events/")
        document["servers"] = [other.server("events/")]
        lake.describe(mesh, "pond", "events", document)

    settings = '[mesh.domains.pond]\ndata = "s3://pond/"\n'
    settings += stores.s3_settings(ceph.endpoint, name="pond").replace(f"s3://{stores.BUCKET}", "s3://pond")
    both = lake.serve(tmp_path / "mesh", good, settings, also=pond)
    try:
        assert both.ids("keeper") == everything()
        found = both.ask("keeper", "SELECT count(*) AS n, min(id) AS least FROM pond.events").to_pydict()
        assert found == {"n": [lake.DAYS * lake.ROWS], "least": [300]}
    finally:
        assert both.running.stop() == 0
