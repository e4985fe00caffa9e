"""A mesh of a thousand products, and a product of ten thousand files: they load, list and answer."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import gateway as gateways
import hostile
from lake import Lake, options

DOMAINS, PRODUCTS, FILES = 10, 1_000, 10_000
TABLE = pa.table({"id": pa.array(range(10)), "note": pa.array([f"note {n}" for n in range(10)])})
POLICY = 'permit (principal in Group::"readers", action in Action::"read", resource in Product::"d7.p_7");'
SETTINGS = "[data]\npatience_seconds = 100\n"


def serve(mesh: hostile.Mesh) -> Lake:
    running = gateways.serve(mesh.govern(hostile.GOVERNANCE, SETTINGS), mesh.directory / "gateway.log")
    return Lake(running, None)


@pytest.mark.timeout(300)
def test_a_thousand_products(tmp_path):
    mesh = hostile.Mesh(tmp_path / "mesh")
    for domain in range(DOMAINS):
        mesh.domain(f"d{domain}", POLICY if domain == 7 else "")
    first = mesh.product("d0", "p_0", TABLE, "data/p_0.parquet")
    for number in range(1, PRODUCTS):
        domain, name = f"d{number % DOMAINS}", f"p_{number}"
        file = tmp_path / f"mesh/mesh/domains/{domain}/data/{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        os.link(first, file)
        mesh.describe(domain, name, TABLE.schema, f"data/{name}.parquet")
    served = serve(mesh)
    try:
        with flight.FlightClient(served.running.flight) as client:
            listed = {tuple(info.descriptor.path) for info in client.list_flights(b"", options("keeper", 200))}
            assert len(listed) == PRODUCTS
            [only] = client.list_flights(b"", options("reader"))
            assert only.descriptor.path == [b"d7", b"p_7"]
        for number in (0, PRODUCTS // 2, PRODUCTS - 1):
            table = f"d{number % DOMAINS}.p_{number}"
            assert served.ask("keeper", f"SELECT count(*) AS n FROM {table}")["n"].to_pylist() == [10]
    finally:
        assert served.running.stop() == 0


def test_ten_thousand_files(tmp_path):
    mesh = hostile.Mesh(tmp_path / "mesh")
    folder = mesh.domain("deep", "")
    first = folder / "data/part=0/file-0.parquet"
    first.parent.mkdir(parents=True)
    pq.write_table(TABLE, first)
    for number in range(1, FILES):
        file = folder / f"data/part={number % 10}/file-{number}.parquet"
        file.parent.mkdir(exist_ok=True)
        os.link(first, file)
    schema = pa.schema([*TABLE.schema, ("part", pa.int32())])
    mesh.describe("deep", "files", schema, "data/")
    served = serve(mesh)
    try:
        found = served.ask("keeper", "SELECT count(*) AS n, sum(id) AS s FROM deep.files").to_pydict()
        assert found == {"n": [10 * FILES], "s": [45 * FILES]}
        one = served.ask("keeper", "SELECT count(*) AS n FROM deep.files WHERE part = 3")
        assert one["n"].to_pylist() == [FILES]
    finally:
        assert served.running.stop() == 0
