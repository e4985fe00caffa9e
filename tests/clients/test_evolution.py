"""Contracts and files that go on: versions of a product over the same files, and what `check` says of a change."""

import datetime
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import gateway as gateways
import hostile
from conftest import Session

# ---- versions served from the same files ------------------------------------------------------------

DAY = datetime.date(2026, 1, 31)
ALL = 'permit (principal in Group::"readers", action in Action::"read", resource in Domain::"shop");'
# Whose filter is on a column that old files lack.
AUSTRIANS = """
permit (principal in Group::"austrians", action in [Action::"discover", Action::"readColumn"],
        resource in Product::"shop.sales");
permit (principal in Group::"austrians", action == Action::"query", resource is shop::sales)
when { resource.row has country && resource.row.country == "AT" };
"""
LARGE = """
permit (principal in Group::"large", action in [Action::"discover", Action::"readColumn"],
        resource in Product::"shop.sales");
permit (principal in Group::"large", action == Action::"query", resource is shop::sales)
when { resource.row.id > 1 };
"""


def column(name: str, logical: str, physical: str, **more) -> dict:
    return {"name": name, "logicalType": logical, "physicalType": physical, **more}


FIRST = [
    column("id", "integer", "INTEGER", required=True),
    column("amount", "number", "DECIMAL(8,2)"),
    column("name", "string", "VARCHAR", physicalName="CustomerName"),
]
SECOND = [
    column("day", "date", "DATE"),
    column("customer", "string", "VARCHAR", physicalName="CustomerName"),
    column("id", "integer", "BIGINT", required=True),
    column("amount", "number", "DECIMAL(14,4)"),
    column("country", "string", "VARCHAR"),
]
VERSIONS = {
    "1.0.0": FIRST,
    "1.1.0": [*FIRST, column("country", "string", "VARCHAR")],
    "2.0.0": SECOND,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Three versions of `shop.sales` over an old narrow file and a new one."""
    directory = tmp_path_factory.mktemp("shop")
    mesh = hostile.Mesh(directory)
    folder = mesh.domain("shop", ALL + AUSTRIANS + LARGE)
    (folder / "data").mkdir()
    old = {
        "ID": pa.array([1, 2], pa.int16()),
        "CustomerName": pa.array(["ada", "bob"], pa.dictionary(pa.int8(), pa.string())),
        "amount": pa.array([Decimal("1.50"), None], pa.decimal128(6, 2)),
    }
    new = {
        "country": pa.array(["AT", "DE"]),
        "amount": pa.array([Decimal("30.25"), Decimal("-4.00")], pa.decimal128(8, 2)),
        "id": pa.array([3, 4], pa.int32()),
        "day": pa.array([DAY, None], pa.date32()),
        "CustomerName": pa.array(["cem", "dee"]),
        "internal": pa.array(["canary", "canary"]),
    }
    pq.write_table(pa.table(old), folder / "data/2025.parquet")
    pq.write_table(pa.table(new), folder / "data/2026.parquet")
    for version, properties in VERSIONS.items():
        document = hostile.contract("shop", "sales", pa.schema([]), "data/*.parquet")
        document["version"] = version
        document["schema"][0]["properties"] = properties
        for property in document["customProperties"]:
            if property["property"] == "airside.defaultVersion":
                property["value"] = version == "1.0.0"
        (folder / f"products/sales-{version}.odcs.yaml").write_text(json.dumps(document))
    config = mesh.govern(tokens={group: [group] for group in ("readers", "austrians", "large")})
    running = gateways.serve(config, directory / "gateway.log")
    yield running
    assert running.stop() == 0, running.tail()


def session(shop, who: str = "readers") -> Session:
    return Session(flight.FlightClient(shop.flight), (b"authorization", f"Bearer {hostile.token(who)}".encode()))


def ask(shop, sql: str, who: str = "readers") -> list[dict]:
    return session(shop, who).sql(sql).to_pylist()


def test_each_version_is_a_projection_of_the_same_files(shop):
    first = [
        {"id": 1, "amount": Decimal("1.50"), "name": "ada"},
        {"id": 2, "amount": None, "name": "bob"},
        {"id": 3, "amount": Decimal("30.25"), "name": "cem"},
        {"id": 4, "amount": Decimal("-4.00"), "name": "dee"},
    ]
    countries = [None, None, "AT", "DE"]
    days = [None, None, DAY, None]
    with_country = [{**row, "country": country} for row, country in zip(first, countries, strict=True)]
    second = [
        {"day": day, "customer": row["name"], "id": row["id"], "amount": row["amount"], "country": row["country"]}
        for row, day in zip(with_country, days, strict=True)
    ]
    for table, expected in (
        ("sales", first),
        ('"sales@1.0"', first),
        ("sales_v1", with_country),
        ("sales_v2", second),
    ):
        assert ask(shop, f"SELECT * FROM shop.{table} ORDER BY id") == expected, table


def test_each_version_has_its_own_types(shop):
    client, types = session(shop), {}
    for version in ("1", "2"):
        descriptor = flight.FlightDescriptor.for_path("shop", f"sales@{version}")
        schema = client.client.get_schema(descriptor, client.options).schema
        types[version] = {field.name: field.type for field in schema}
    assert types["1"]["id"] == pa.int32() and types["2"]["id"] == pa.int64()
    assert types["1"]["amount"] == pa.decimal128(8, 2) and types["2"]["amount"] == pa.decimal128(14, 4)


@pytest.mark.parametrize(
    ("who", "table", "ids"),
    [
        ("austrians", "sales_v2", [3]),
        ("austrians", "sales_v1", [3]),
        ("large", "sales", [2, 3, 4]),
        ("large", "sales_v2", [2, 3, 4]),
    ],
)
def test_a_row_filter_holds_for_old_and_new_files(who, table, ids, shop):
    assert [row["id"] for row in ask(shop, f"SELECT id FROM shop.{table} ORDER BY id", who)] == ids
    assert ask(shop, f"SELECT count(*) AS n FROM shop.{table} WHERE amount IS NULL OR amount < 1000", who) == [
        {"n": len(ids)}
    ]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("country IS NULL", [1, 2]),
        ("country <> 'AT'", [4]),
        ("id IN (2, 3, 5000000000)", [2, 3]),
        ("amount = 1.5", [1]),
        ("amount > 30.2499", [3]),
        ("day IS NOT NULL OR customer LIKE 'b%'", [2, 3]),
    ],
)
def test_predicates_hold_for_old_and_new_files(where, ids, shop):
    assert [row["id"] for row in ask(shop, f"SELECT id FROM shop.sales_v2 WHERE {where} ORDER BY id")] == ids


def test_a_filter_on_a_column_the_version_lacks_shows_nothing(shop):
    """The row of the policies unites all versions; in 1.0.0 nobody has a country."""
    assert ask(shop, 'SELECT id FROM shop."sales@1.0"', "austrians") == []


# ---- `airside check --against` ----------------------------------------------------------------------

ORDERS = "mesh/domains/sales/products/orders.odcs.yaml"
DOMAIN = "mesh/domains/sales"


@pytest.fixture
def meshes(gateway, tmp_path) -> tuple[Path, Path]:
    """Two copies of the demo mesh: as it was, and as it is to be."""
    return tuple(Path(shutil.copytree(gateway.directory, tmp_path / name)) for name in ("old", "new"))


def edit(mesh: Path, old: str, new: str) -> int:
    """Replaces `old` in the contract of the orders and answers its line."""
    text = (mesh / ORDERS).read_text()
    assert old in text
    (mesh / ORDERS).write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def of_mesh(old: Path, new: Path):
    return gateways.run("check", "--config", new / "airside.toml", "--against", old / "airside.toml")


def of_domain(old: Path, new: Path):
    governance = new / "mesh/governance"
    return gateways.run("check", "--domain", new / DOMAIN, "--governance", governance, "--against", old / DOMAIN)


WAYS = pytest.mark.parametrize("check", [of_mesh, of_domain], ids=["mesh", "domain"])


@WAYS
def test_what_is_the_same_is_compatible(check, meshes):
    result = check(*meshes)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "changed:" not in result.stdout


@WAYS
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: o_orderstatus", "name: status\n        physicalName: o_orderstatus", "is called `status` now"),
        (
            "physicalType: DECIMAL(15,2)",
            "physicalType: DECIMAL(15,3)",
            "is Decimal128(15, 3), and was Decimal128(15, 2)",
        ),
        ("required: true\n        unique: true", "unique: true", "may be NULL, and was required"),
        ("status: active", "status: retired", "is retired, and its consumers were not told"),
        ("version: 1.0.0", "version: 0.9.0", "the version went back from 1.0.0 to 0.9.0"),
    ],
    ids=["renamed", "another type", "optional", "retired", "backwards"],
)
def test_what_breaks_consumers_is_refused(old, new, says, check, meshes):
    """With file, line, reason, and what to do instead."""
    line = edit(meshes[1], old, new)
    result = check(*meshes)
    told = result.stdout
    assert result.returncode == 1, told + result.stderr
    found = [number for number, text in re.findall(r"orders\.odcs\.yaml:(\d+): (.*)", told) if says in text]
    assert found and abs(int(found[0]) - line) <= 6, told
    assert "    hint: " in told


@WAYS
def test_a_new_major_version_may_break_everything(check, meshes):
    before = (meshes[1] / ORDERS).read_text()
    edit(meshes[1], "version: 1.0.0", "version: 2.0.0")
    edit(meshes[1], "name: o_orderstatus", "name: status\n        physicalName: o_orderstatus")
    result = check(*meshes)
    assert result.returncode == 1 and "version 1.0.0 is gone, and was not retired" in result.stdout, result.stdout
    # The old one is kept beside it, and goes on being the default.
    edit(meshes[1], "airside.defaultVersion, value: true", "airside.defaultVersion, value: false")
    (meshes[1] / ORDERS).with_name("orders-v1.odcs.yaml").write_text(before)
    result = check(*meshes)
    assert "changed: sales.orders: version 2.0.0 is new" in result.stdout, result.stdout
    assert result.returncode == 0, result.stdout


def test_additions_need_a_new_version_and_are_told(meshes):
    """In a domain's own CI, where there is no data: no file has the column yet."""
    key = "      - name: o_orderkey\n"
    edit(meshes[1], key, "      - {name: clerk, physicalName: o_clerk2, logicalType: string}\n" + key)
    result = of_domain(*meshes)
    assert result.returncode == 1
    assert "1.0.0 is not what it was: the column `clerk` of `orders` is new" in result.stdout, result.stdout
    assert "write `version: 1.1.0`" in result.stdout
    edit(meshes[1], "version: 1.0.0", "version: 1.1.0")
    result = of_domain(*meshes)
    assert result.returncode == 0, result.stdout
    assert "changed: sales.orders 1.0.0 → 1.1.0: the column `clerk` of `orders` is new" in result.stdout


def test_what_consumers_do_not_see_may_change(meshes):
    edit(meshes[1], "path: ./data/orders/*.parquet", "path: ./data/orders/")
    for way in (of_mesh, of_domain):
        result = way(*meshes)
        assert result.returncode == 0, result.stdout


def test_faults_of_the_old_policies_do_not_matter(meshes):
    """Standards and policies may have been tightened since."""
    (meshes[0] / DOMAIN / "policies/broken.cedar").write_text("permit (")
    (meshes[0] / "mesh/governance/standards.toml").write_text('product = ["no_such"]\n')
    for way in (of_mesh, of_domain):
        result = way(*meshes)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_checkout_of_another_name_is_the_same_domain(meshes, tmp_path):
    old = shutil.copytree(meshes[0] / DOMAIN, tmp_path / "main-checkout")
    governance = meshes[1] / "mesh/governance"
    arguments = ("check", "--domain", meshes[1] / DOMAIN, "--governance", governance, "--against")
    assert gateways.run(*arguments, old).returncode == 0
    edit(meshes[1], "name: o_orderstatus", "name: status")
    assert gateways.run(*arguments, old).returncode == 1


@pytest.mark.parametrize("place", ["nothing", "empty"])
def test_nothing_to_compare_with_is_no_agreement(place, meshes, tmp_path):
    (tmp_path / "empty/products").mkdir(parents=True)
    governance = meshes[1] / "mesh/governance"
    result = gateways.run(
        "check", "--domain", meshes[1] / DOMAIN, "--governance", governance, "--against", tmp_path / place
    )
    assert result.returncode == 1 and "error: " in result.stderr, result.stdout + result.stderr
