"""Snapshots by their ids, what was added since one, and being told of the next."""

import shutil

import pyarrow.parquet as pq
import pytest

import airside
import gateway as gateways


@pytest.fixture
def sales(gateway, tmp_path):
    """A gateway on a copy of the demo mesh, and the folder of its orders."""
    directory = tmp_path / "mesh"
    shutil.copytree(gateway.directory, directory, ignore=shutil.ignore_patterns("audit"))
    config = directory / "airside.toml"
    config.write_text(config.read_text() + "\n[data]\nrefresh_seconds = 1\n")
    running = gateways.serve(config, tmp_path / "gateway.log")
    user = gateway.users["analyst"]
    with airside.connect(running.flight, user=user.name, password=user.password) as mesh:
        yield mesh, directory / "mesh/domains/sales/data/orders"
    assert running.stop() == 0, running.tail()


def test_a_product_is_followed_and_pulled_bit_by_bit(sales):
    mesh, folder = sales
    orders = mesh["sales.orders"]
    changes = mesh.changes("sales.orders")
    first = next(changes)
    assert (first.product, first.previous, first.appended) == ("sales.orders", None, False)
    assert first.snapshot == orders.query().receipt.datasets[0].snapshot
    whole = orders.to_arrow().num_rows

    rows = pq.read_table(folder / "part-001.parquet").slice(0, 3)
    pq.write_table(rows, folder / "part-008.parquet")
    second = next(changes)
    assert (second.previous, second.appended) == (first.snapshot, True) and second.changed > first.changed
    added = orders.since(first.snapshot).query()
    assert added.to_arrow()["o_orderkey"].to_pylist() == rows["o_orderkey"].to_pylist()
    assert added.receipt.datasets[0].since == first.snapshot
    assert orders.as_of(first.snapshot).to_arrow().num_rows == whole
    assert orders.to_arrow().num_rows == whole + 3
    assert orders.since(first.snapshot).scan().select("o_orderkey").collect().height == 3

    (folder / "part-008.parquet").unlink()
    assert not next(changes).appended
    with pytest.raises(airside.NotAppended):
        orders.since(second.snapshot).to_arrow()
    with pytest.raises(airside.NotFound, match="no snapshot"):
        orders.as_of("0" * 64).to_arrow()


def test_what_may_not_be_followed_says_so(mesh):
    with pytest.raises(airside.NotFound):
        next(mesh("analyst").changes("supply.part"))
    for snapshot in ("", None, 7):
        with pytest.raises(ValueError):
            mesh("analyst")["sales.orders"].as_of(snapshot)
