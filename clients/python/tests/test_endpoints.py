"""The real gateway's answers in several endpoints."""

import pytest

import airside
from airside.messages import product_request
from airside.product import describe


@pytest.fixture(scope="module")
def divided(configured):
    """A gateway that divides even small datasets."""
    return configured("", env={"AIRSIDE_FLIGHT__ENDPOINT_BYTES": "100000"})


@pytest.mark.parametrize("parallel", [1, 4])
def test_all_parts_are_the_whole(divided, mesh, parallel):
    with airside.connect(divided.flight, token="airt_demo-token-that-everybody-may-know", parallel=parallel) as service:
        lineitem = service["sales.lineitem"]
        command = product_request(lineitem.address)
        assert len(describe(service._connection, command, None).endpoints) > 3
        keys = [("l_orderkey", "ascending"), ("l_linenumber", "ascending")]
        truth = mesh("steward")["sales.lineitem"].to_arrow().sort_by(keys)
        assert lineitem.to_arrow().sort_by(keys) == truth
        assert lineitem.query().to_reader().read_all().sort_by(keys) == truth
        assert lineitem.scan().sort("l_orderkey", "l_linenumber").collect().height == truth.num_rows
