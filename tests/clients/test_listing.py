"""Listing a mesh tells of every dataset what asking for it tells, and its tickets are good."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import gateway as gateways
import hostile
from lake import Lake, options

DOMAINS, PRODUCTS = 4, 300
TABLE = pa.table({"id": pa.array(range(10)), "note": pa.array([f"note {n}" for n in range(10)])})
POLICY = """
permit (principal in Group::"readers", action in [Action::"discover", Action::"query"], resource in Domain::"d1");
permit (principal in Group::"readers", action == Action::"readColumn", resource in Domain::"d1");
"""


def mesh_of(folder, products: int) -> hostile.Mesh:
    mesh = hostile.Mesh(folder)
    for domain in range(DOMAINS):
        mesh.domain(f"d{domain}", POLICY if domain == 1 else "")
    first = mesh.product("d0", "p_0", TABLE, "data/p_0.parquet")
    for number in range(1, products):
        domain, name = f"d{number % DOMAINS}", f"p_{number}"
        file = folder / f"mesh/domains/{domain}/data/{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        os.link(first, file)
        mesh.describe(domain, name, TABLE.schema, f"data/{name}.parquet")
    return mesh


def decided(info: flight.FlightInfo) -> bytes:
    """A receipt without the id of its decision, which is another each time."""
    return info.app_metadata[2 + 36 :]


@pytest.mark.timeout(240)
def test_listed_is_what_is_asked_for(tmp_path):
    mesh = mesh_of(tmp_path / "mesh", PRODUCTS)
    running = gateways.serve(mesh.govern(hostile.GOVERNANCE), mesh.directory / "gateway.log")
    served = Lake(running, None)
    try:
        with flight.FlightClient(running.flight) as client:
            for who, expected in (("keeper", PRODUCTS), ("reader", PRODUCTS // DOMAINS), ("stranger", 0)):
                listed = list(client.list_flights(b"", options(who, 100)))
                assert len(listed) == expected
                for info in listed:
                    asked = client.get_flight_info(info.descriptor, options(who))
                    assert asked.schema.equals(info.schema, check_metadata=True)
                    assert decided(asked) == decided(info)
                    assert client.get_schema(info.descriptor, options(who)).schema.equals(info.schema, True)
                for info in listed[:: max(1, len(listed) // 5)]:
                    [endpoint] = info.endpoints
                    found = client.do_get(endpoint.ticket, options(who)).read_all()
                    assert found.schema.equals(info.schema, check_metadata=True)
                    assert found.num_rows == TABLE.num_rows
            narrowed = [info.descriptor.path for info in client.list_flights(b"d1.p_10", options("reader"))]
            assert narrowed and all(path[1].startswith(b"p_10") for path in narrowed)
    finally:
        assert served.running.stop() == 0
