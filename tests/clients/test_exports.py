"""Whole products in one stream: every row once, the first of them at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import gateway as gateways
import hostile
from lake import options

ROWS, GROUP, FIRST = 200_000, 50_000, 8_192
PERMIT = 'permit (principal in Group::"readers", action in Action::"read", resource in Domain::"own");'
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "note": pa.array([None if n % 11 == 0 else f"note {n * 7919 % 1000}" for n in range(ROWS)]),
    }
)


@pytest.fixture(scope="module")
def location(tmp_path_factory):
    mesh = hostile.Mesh(tmp_path_factory.mktemp("exports"))
    folder = mesh.domain("own", PERMIT)
    for name, indexed in (("paged", True), ("blind", False)):
        place = folder / f"data/{name}/part.parquet"
        place.parent.mkdir(parents=True)
        pq.write_table(
            TABLE, place, row_group_size=GROUP, data_page_size=16_384, write_page_index=indexed, use_dictionary=["note"]
        )
        mesh.describe("own", name, TABLE.schema, f"data/{name}/part.parquet", masks={"note": "redact"})
    running = gateways.serve(mesh.govern(hostile.GOVERNANCE), mesh.directory / "gateway.log")
    yield running.flight
    assert running.stop() == 0


def batches(location: str, who: str, name: str) -> list[pa.RecordBatch]:
    with flight.FlightClient(location) as client:
        info = client.get_flight_info(flight.FlightDescriptor.for_path("own", name), options(who))
        [endpoint] = info.endpoints
        return [chunk.data for chunk in client.do_get(endpoint.ticket, options(who))]


@pytest.mark.parametrize("name", ["paged", "blind"])
@pytest.mark.parametrize("who", ["keeper", "reader"])
def test_every_row_comes_once(location, who, name):
    found = pa.Table.from_batches(batches(location, who, name)).sort_by("id")
    assert found["id"].combine_chunks().equals(TABLE["id"].combine_chunks())
    notes = TABLE["note"].to_pylist()
    expected = notes if who == "keeper" else [note and "***" for note in notes]
    assert found["note"].to_pylist() == expected


@pytest.mark.parametrize("who", ["keeper", "reader"])
def test_the_first_rows_do_not_wait_for_a_large_batch(location, who):
    sizes = [batch.num_rows for batch in batches(location, who, "paged")]
    assert min(sizes) <= FIRST < max(sizes), sizes
    assert FIRST not in {batch.num_rows for batch in batches(location, who, "blind")}
