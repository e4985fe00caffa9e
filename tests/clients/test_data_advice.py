"""`airside check --data` and `airside optimize`: files that are slow to read, found and written anew, while read."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import gateway as gateways
import receipts
from conftest import AUDIT, connect_flight

SALES = "mesh/domains/sales"
LINES = "SELECT * FROM sales.lineitem ORDER BY l_orderkey, l_linenumber"
READER = "owner"


def check(mesh: Path, *more: str) -> str:
    result = gateways.run("check", "--config", mesh / "airside.toml", "--data", *more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def optimize(mesh: Path, product: str, *more: str):
    return gateways.run("optimize", "--config", mesh / "airside.toml", product, *more, timeout=120)


def spoil(mesh: Path, dataset: str, **options) -> pa.Table:
    """The dataset in one file, its rows in no order."""
    folder = mesh / SALES / "data" / dataset
    files = sorted(folder.glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(file) for file in files])
    table = table.take(pa.array([at * 7919 % len(table) for at in range(len(table))]))
    for file in files:
        file.unlink()
    pq.write_table(table, folder / "all.parquet", **options)
    return table


@pytest.fixture
def mesh(gateway, tmp_path) -> Path:
    """A copy of the demo mesh."""
    return Path(shutil.copytree(gateway.directory, tmp_path / "mesh", ignore=AUDIT))


def snapshot(info: flight.FlightInfo) -> str:
    """The snapshot that a receipt names."""
    return receipts.decode(info.app_metadata).datasets[0].snapshot


def parquet_files(mesh: Path) -> set[Path]:
    return {path.relative_to(mesh) for path in mesh.rglob("*.parquet")}


def test_slow_files_are_found_and_written_anew_while_they_are_read(gateway, mesh):
    spoil(mesh, "lineitem", compression="gzip")
    spoil(mesh, "orders", row_group_size=1000)
    report = check(mesh)
    for advice in (
        r"data of `sales.lineitem@1.0.0`: 1 file, ",
        "no page index in its file",
        r"no bloom filter on `l_orderkey`.* in its file",
        "compression by gzip in its file",
        r"rows in no order of any of `o_orderkey`, `o_orderdate`: 100 %",
        "tiny row groups in its file, 1000 rows on average",
    ):
        assert re.search(advice, report), (advice, report)
    assert "6 of 8 datasets are laid out well" in report

    running = gateways.serve(mesh / "airside.toml", mesh / "gateway.log")
    running.users = gateway.users
    try:
        session = connect_flight(running, READER)
        before = session.sql(LINES)
        info = session.info(flight.FlightDescriptor.for_path("sales", "lineitem"))
        reader = session.client.do_get(info.endpoints[0].ticket, session.options)
        first = reader.read_chunk().data

        contract = mesh / SALES / "products/lineitem.odcs.yaml"
        text = contract.read_text()
        version = running.get("/readyz")[1]
        old = parquet_files(mesh)
        for product in ("sales.lineitem", "sales.orders"):
            result = optimize(mesh, product, "--switch")
            assert result.returncode == 0, result.stdout + result.stderr
            assert "still:" not in result.stdout
        changed = [(a, b) for a, b in zip(text.splitlines(), contract.read_text().splitlines(), strict=True) if a != b]
        assert [a for a, _ in changed] == ["    path: ./data/lineitem/*.parquet"]
        assert re.fullmatch(r"    path: \./data/lineitem-\d{8}T\d{6}Z/", changed[0][1])
        assert old < parquet_files(mesh)
        running.wait_until(lambda: running.get("/readyz")[1] != version, "the takeover")

        # Whoever began before reads on from the old files, whoever asks now reads the new ones: the same rows.
        rest = reader.read_all()
        assert first.num_rows + rest.num_rows == before.num_rows
        assert session.sql(LINES).equals(before)
        now = session.info(flight.FlightDescriptor.for_path("sales", "lineitem"))
        assert snapshot(now) != snapshot(info)
        # A ticket of before is for the files of before, which are still there.
        again = session.client.do_get(info.endpoints[0].ticket, session.options).read_all()
        assert again.num_rows == before.num_rows
    finally:
        assert running.stop() == 0, running.tail()
    assert "the files of 8 of 8 datasets are laid out well" in check(mesh)


def test_a_dry_run_writes_nothing(mesh):
    contract = mesh / SALES / "products/orders.odcs.yaml"
    files, text = parquet_files(mesh), contract.read_text()
    result = optimize(mesh, "sales.orders", "--switch", "--dry-run", "--sort-by", "o_orderdate")
    assert result.returncode == 0, result.stderr
    assert "sorts the rows by `o_orderdate`" in result.stdout and "+ path: ./data/orders-" in result.stdout
    assert (parquet_files(mesh), contract.read_text()) == (files, text)


def test_without_a_switch_the_owner_is_told_what_to_write(mesh):
    contract = mesh / SALES / "products/orders.odcs.yaml"
    text = contract.read_text()
    result = gateways.run("optimize", "--domain", mesh / SALES, "--governance", mesh / "mesh", "sales.orders@1")
    assert result.returncode == 0, result.stderr
    assert "nobody reads it yet" in result.stdout and "orders.odcs.yaml" in result.stdout
    assert contract.read_text() == text
    found = re.search(r"is in (\./data/orders-\S+/): 1 file, .*, the same 15000 rows", result.stdout)
    assert found, result.stdout
    ids = pq.read_table(mesh / SALES / found[1])["o_orderkey"].to_pylist()
    assert ids == sorted(ids) and len(ids) == 15000


def test_all_versions_that_read_the_files_are_switched(mesh):
    one = mesh / SALES / "products/orders.odcs.yaml"
    two = mesh / SALES / "products/orders_v2.odcs.yaml"
    text = one.read_text()
    default = "  - {property: airside.defaultVersion, value: true}\n"
    path = "path: ./data/orders/*.parquet"
    assert default in text and path in text
    second = text.replace("version: 1.0.0", "version: 2.0.0").replace(default, "")
    # The same place in other words.
    two.write_text(second.replace(path, "path: 'data/orders/*.parquet'"))
    check(mesh)
    result = optimize(mesh, "sales.orders", "--switch")
    assert result.returncode == 0, result.stdout + result.stderr
    (new,) = re.findall(r"path: \./data/(orders-\S+/)", one.read_text())
    assert f"path: 'data/{new}'" in two.read_text()
    check(mesh)


@pytest.mark.parametrize(
    ("product", "reason"),
    [
        ("marketing.customer_lifetime_value", "is derived from other datasets"),
        ("sales.nothing", "serves no `sales.nothing`"),
        ("nowhere.orders", "has no domain `nowhere`"),
        ("sales.orders@7", "serves no `sales.orders@7`"),
        ("orders", "is no product"),
    ],
)
def test_what_cannot_be_written_anew_is_refused(gateway, product, reason):
    files = parquet_files(gateway.directory)
    result = optimize(gateway.directory, product)
    assert result.returncode == 1
    assert reason in result.stderr and "panicked" not in result.stderr
    assert parquet_files(gateway.directory) == files


def test_files_that_break_the_contract_are_faults_before_any_advice(mesh):
    spoil(mesh, "orders", compression="gzip")
    contract = mesh / SALES / "products/lineitem.odcs.yaml"
    contract.write_text(contract.read_text().replace("name: l_comment", "name: l_comments"))
    result = gateways.run("check", "--config", mesh / "airside.toml", "--data")
    assert result.returncode == 1
    assert "lineitem.odcs.yaml" in result.stdout and "`l_comments`" in result.stdout
    assert result.stdout.index("l_comments") < result.stdout.index("compression by gzip")
    result = optimize(mesh, "sales.lineitem")
    assert result.returncode == 1 and "l_comments" in result.stderr
