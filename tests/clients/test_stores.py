"""The same over every kind of store: files in partitions, one snapshot an answer, no word of the store's to callers."""

from __future__ import annotations

import base64
import os
import random
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.fs as fs
import pytest

import gateway as gateways
import lake
import stores
import wire
from lake import DAYS, ROWS, Lake, day, rows
from receipts import decode

needs_stores = pytest.mark.skipif("AIRSIDE_STORES_DIR" not in os.environ, reason="needs stores: run `make clients`")
KINDS = {"local": stores.local, "s3": None, "azure": stores.azurite, "gcs": stores.gcs}


@pytest.fixture(
    scope="module", params=[pytest.param(kind, marks=[] if kind == "local" else needs_stores) for kind in KINDS]
)
def own(request, tmp_path_factory) -> Iterator[Lake]:
    """A gateway over a store of each kind."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "s3":
        yield from served(request.getfixturevalue("ceph").below("own"), directory)
    else:
        with KINDS[request.param](directory / "store") as store:
            yield from served(store, directory)


def served(store: stores.Store, directory) -> Iterator[Lake]:
    lake.fill(store)
    store.write("large/part-0.parquet", lake.parquet(large()))
    running = lake.serve(directory / "mesh", store, places={**lake.PLACES, "large": "large/"})
    yield running
    assert running.running.stop() == 0, running.running.tail()
    log = running.running.log_text()
    for secret in (stores.KEY, stores.SECRET, stores.AZURE_KEY, "panicked"):
        assert secret not in log, secret


def large() -> pa.Table:
    """Rows that fill more than the 10 MiB from which uploads go in parts, however they are compressed."""
    words = [random.Random(row).randbytes(56_000) for row in range(200)]
    notes = pa.array([base64.b64encode(word).decode() for word in words])
    return pa.table([pa.array(range(200)), pa.array(["open"] * 200), notes], names=lake.SCHEMA.names[:3])


def everything() -> list[int]:
    return [id for number in range(DAYS) for id in rows(number)["id"].to_pylist()]


def test_partitions_are_typed_and_pruned(own):
    assert own.ids("keeper") == everything()
    assert own.ids("keeper", "day = DATE '2026-01-02'") == rows(1)["id"].to_pylist()
    assert own.ids("keeper", "day > DATE '2027-01-01'") == []
    days = own.ask("keeper", "SELECT day, count(*) AS n FROM own.events GROUP BY day ORDER BY day").to_pydict()
    assert days == {"day": [day(number) for number in range(DAYS)], "n": [ROWS] * DAYS}


def test_row_filters_hold_over_columns_and_partitions(own):
    expected = [id for id in everything() if id % 2 and id >= 1000]
    assert own.ids("reader") == expected
    assert own.ids("reader", "note LIKE 'note 1%'") == [id for id in expected if str(id).startswith("1")]


def test_a_location_is_a_folder_a_glob_or_a_file(own):
    assert own.ids("keeper", table="globbed") == [id for id in everything() if id < 2000]
    assert own.ids("keeper", table="single") == rows(0)["id"].to_pylist()


def test_an_answer_reads_the_files_of_its_moment(own):
    """New files are for new questions; what was replaced or deleted ends the answer, and is never mixed in."""
    extra = lake.path(1, "part-1.parquet")
    before = own.info("keeper", "SELECT id FROM own.events")
    first = snapshot(before)
    own.store.write(extra, lake.parquet(rows(1, start=500)))
    own.eventually(sorted(everything() + rows(1, start=500)["id"].to_pylist()))
    assert own.read("keeper", before).num_rows == DAYS * ROWS
    added = own.info("keeper", wire.product_request("own", "events", since=first))
    assert sorted(own.read("keeper", added)["id"].to_pylist()) == rows(1, start=500)["id"].to_pylist()
    as_of = own.info("keeper", wire.product_request("own", "events", as_of=first))
    assert own.read("keeper", as_of).num_rows == DAYS * ROWS

    ticket = own.info("keeper", "SELECT id, note FROM own.events")
    own.store.write(extra, lake.parquet(rows(1, start=700)))
    assert_gone(own, ticket)
    own.eventually(sorted(everything() + rows(1, start=700)["id"].to_pylist()))
    ticket = own.info("keeper", "SELECT id, note FROM own.events")
    own.store.delete(extra)
    assert_gone(own, ticket)
    own.eventually(everything())


def snapshot(info: flight.FlightInfo) -> str:
    [dataset] = decode(info.app_metadata).datasets
    return dataset.snapshot


def assert_gone(own: Lake, ticket: flight.FlightInfo) -> None:
    with pytest.raises(flight.FlightUnavailableError) as refused:
        own.read("keeper", ticket)
    assert not re.search(
        r"parquet|lake|events/|127\.0\.0\.1:\d+/",
        str(refused.value).split("Client context")[0].split("gRPC client debug")[0],
    )


@needs_stores
def test_a_web_server_serves_single_files(tmp_path):
    """It has no listings, so a folder cannot be found there, and says so to the operator."""
    with stores.web(tmp_path / "files") as store:
        lake.fill(store)
        running = lake.serve(tmp_path / "mesh", store, places={"single": "single.parquet", "folder": "events/"})
        try:
            assert running.ids("keeper", table="single") == rows(0)["id"].to_pylist()
            with pytest.raises(flight.FlightUnavailableError):
                running.ids("keeper", table="folder")
            ticket = running.info("keeper", "SELECT id FROM own.single")
            store.write("single.parquet", lake.parquet(rows(2)))
            assert_gone(running, ticket)
            running.eventually(rows(2)["id"].to_pylist(), table="single")
        finally:
            assert running.running.stop() == 0


def test_a_products_files_are_written_anew_where_they_are(own):
    """`airside optimize --switch`: other files beside the old ones, the same rows for everybody."""
    expected = own.ids("reader")
    before = snapshot(own.info("keeper", "SELECT id FROM own.events"))
    config = own.running.directory / "airside.toml"
    done = gateways.run("optimize", "own.events", "--switch", "--config", config, env=stores.credentials())
    assert done.returncode == 0, done.stdout + done.stderr
    other = lambda: snapshot(own.info("keeper", "SELECT id FROM own.events")) != before  # noqa: E731
    own.running.wait_until(other, "the files written anew")
    assert own.ids("reader") == expected and own.ids("keeper") == everything()
    assert own.store.read(lake.path(0)) == lake.parquet(rows(0)), "the old files stay"


def test_files_larger_than_an_upload_are_written_anew_in_parts(own):
    if own.store.kind == "local":
        pytest.skip("a folder takes no parts")
    expected = own.ask("keeper", "SELECT * FROM own.large ORDER BY id")
    info = own.info("keeper", "SELECT id FROM own.large")
    config = own.running.directory / "airside.toml"
    done = gateways.run("optimize", "own.large", "--switch", "--config", config, env=stores.credentials(), timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    other = lambda: snapshot(own.info("keeper", "SELECT id FROM own.large")) != snapshot(info)  # noqa: E731
    own.running.wait_until(other, "the files written anew")
    assert own.ask("keeper", "SELECT * FROM own.large ORDER BY id").equals(expected)
    found = own.store.files.get_file_info(fs.FileSelector(own.store.folder, recursive=True))
    written = [file for file in found if "/large-" in file.path and file.path.endswith(".parquet")]
    assert [file.size > 10 << 20 for file in written] == [True], written
