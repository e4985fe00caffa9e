"""Requests of a store go in turns: who waits too long for one is told so, and what goes wrong is counted by store."""

from __future__ import annotations

import re
import threading

import pyarrow.flight as flight
import pytest

import faults
import lake
import stores
from lake import Lake

PLACES = {"one": "one.parquet", "two": "two.parquet"}
MEANS = "timeout_seconds = 3\nretries = 0\nmax_requests = 1\nturn_seconds = 1\n[sources]\nfooter_cache_bytes = 0\n"
BUSY = "too many reads wait for the data's store: ask again later"


@pytest.fixture
def proxy(tmp_path):
    with stores.web(tmp_path / "files") as files:
        for number, place in enumerate(PLACES.values()):
            files.write(place, lake.parquet(lake.rows(number)))
        with faults.before(files.endpoint) as proxy:
            yield proxy


@pytest.fixture
def own(proxy, tmp_path):
    root = f"http://{proxy.endpoint}/"
    settings = f'[stores.pond]\nurl = "{root}"\nanonymous = true\n{MEANS}'
    store = stores.Store(None, "", root, "custom", settings, proxy.endpoint)
    own = lake.serve(tmp_path / "mesh", store, places=PLACES)
    yield own
    proxy.heal()
    assert own.running.stop() == 0, own.running.tail()


def troubles(own: Lake) -> dict[str, int]:
    """How many of each kind there were at the one store."""
    text = own.running.get("/metrics")[1]
    found = re.findall(r'^airside_store_troubles_total\{store="(\w+)",kind="(\w+)"\} (\d+)$', text, re.MULTILINE)
    assert {store for store, _, _ in found} == {"pond"}
    return {kind: int(count) for _, kind, count in found}


def test_who_waits_too_long_for_a_turn_is_told(own, proxy):
    expected = {table: own.ids("keeper", table=table) for table in PLACES}
    assert troubles(own) == {"turn": 0, "timeout": 0, "denied": 0, "error": 0}
    proxy.fail("hang")
    told: list[str] = []

    def ask(table: str) -> None:
        try:
            own.ids("keeper", table=table)
        except flight.FlightUnavailableError as refused:
            told.append(str(refused))

    asking = [threading.Thread(target=ask, args=(table,)) for table in PLACES]
    for one in asking:
        one.start()
    for one in asking:
        one.join(timeout=30)
    assert len(told) == 2 and any(BUSY in text for text in told), told
    assert not any(re.search(r"pond|http|parquet", text.split(". gRPC client")[0]) for text in told), told
    counted = troubles(own)
    assert counted["turn"] >= 1 and counted["timeout"] >= 1 and counted["denied"] == counted["error"] == 0
    proxy.heal()
    for table, ids in expected.items():
        own.eventually(ids, table=table)
