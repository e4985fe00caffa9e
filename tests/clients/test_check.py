"""`airside check`: every fault of a mesh at once, with file, line, reason and a hint."""

import re
import shutil
from pathlib import Path

import pytest

import gateway as gateways

CONTRACT = "mesh/domains/sales/products/orders.odcs.yaml"
POLICY = "mesh/domains/sales/policies/access.cedar"
OTHER_POLICY = "mesh/domains/customers/policies/access.cedar"


@pytest.fixture
def mesh(gateway, tmp_path) -> Path:
    """A copy of the demo mesh to break."""
    return Path(shutil.copytree(gateway.directory, tmp_path / "mesh"))


def check(mesh: Path):
    return gateways.run("check", "--config", mesh / "airside.toml")


def spoil(mesh: Path, file: str, old: str, new: str) -> int:
    """Replaces `old` once and answers the line where it stood."""
    path = mesh / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_a_good_mesh_passes(mesh):
    result = check(mesh)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (CONTRACT, "status: active", "status: activ"),
        (CONTRACT, "kind: DataContract", "kind: DataContract\nkindd: x"),
        (CONTRACT, "version: 1.0.0", "version: one"),
        (CONTRACT, "physicalType: BIGINT", "physicalType: BIGGINT"),
        (POLICY, 'Action::"read"', 'Action::"raed"'),
        (POLICY, 'resource in Domain::"sales"', 'resource in Domain::"customers"'),
        (POLICY, "permit (", "permitt ("),
        ("mesh/governance/principals.toml", 'type = "string"', 'type = "strng"'),
    ],
)
def test_a_fault_has_file_and_line(file, old, new, mesh):
    line = spoil(mesh, file, old, new)
    result = check(mesh)
    report = result.stdout + result.stderr
    assert result.returncode == 1, report
    found = [int(number) for number in re.findall(re.escape(Path(file).name) + r":(\d+)", report)]
    # A statement's fault may be told at its first line, a stray key at its own.
    assert any(abs(number - line) <= 4 for number in found), report
    assert "panicked" not in report


def test_every_fault_is_told_at_once_with_hints(mesh):
    spoil(mesh, CONTRACT, "status: active", "status: activ")
    spoil(mesh, OTHER_POLICY, 'Action::"discover"', 'Action::"discovr"')
    report = check(mesh)
    text = report.stdout + report.stderr
    assert report.returncode == 1
    assert "orders.odcs.yaml:" in text and "access.cedar:" in text
    assert "hint: " in text


def test_files_that_break_the_contract_are_faults(mesh):
    spoil(mesh, CONTRACT, "name: o_clerk", "name: o_clerc")
    report = check(mesh)
    assert report.returncode == 1
    assert "o_clerc" in report.stdout + report.stderr


DERIVED = "mesh/domains/marketing/products/customer_lifetime_value.odcs.yaml"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("FROM customers.customer AS c", "FROM marketing.customer_lifetime_value AS c", "reads itself"),
        ("JOIN sales.orders AS o", "JOIN supply.part AS o", "may not read `supply.part`"),
        ("JOIN sales.orders AS o", "JOIN sales.no_such AS o", "no dataset of the mesh"),
        ("COUNT(*) AS orders", "CAST(COUNT(*) AS VARCHAR) AS orders", "CAST"),
    ],
    ids=["a cycle", "no permit", "no such source", "another type"],
)
def test_a_derived_product_that_cannot_be_answered_is_a_fault(old, new, says, mesh):
    spoil(mesh, DERIVED, old, new)
    report = check(mesh)
    assert report.returncode == 1
    assert says in report.stdout and "customer_lifetime_value.odcs.yaml" in report.stdout, report.stdout


def test_a_cycle_of_two_is_a_fault(mesh):
    """Another product reads this one, and this one reads it."""
    contract = (mesh / DERIVED).read_text()
    other = contract.replace("customer_lifetime_value", "second").replace("get_cltv", "get_second")
    other = other.replace("FROM customers.customer AS c", "FROM marketing.customer_lifetime_value AS c")
    (mesh / DERIVED).with_name("second.odcs.yaml").write_text(other)
    spoil(mesh, DERIVED, "FROM customers.customer AS c", "FROM marketing.second AS c")
    report = check(mesh)
    assert report.returncode == 1
    assert "reads itself" in report.stdout, report.stdout


@pytest.mark.parametrize(
    "path", ["../customers/data/customer/*.parquet", "/etc/*.parquet", "./data/%2e%2e/x/*.parquet"]
)
def test_a_location_outside_the_domain_is_a_fault(path, mesh):
    spoil(mesh, CONTRACT, "path: ./data/orders/*.parquet", f"path: {path}")
    report = check(mesh)
    assert report.returncode == 1, report.stdout + report.stderr
    assert "orders.odcs.yaml" in report.stdout + report.stderr


def test_a_symlink_out_of_the_domain_is_a_fault(mesh, gateway):
    orders = mesh / "mesh/domains/sales/data/orders"
    shutil.rmtree(orders)
    orders.symlink_to(gateway.directory / "mesh/domains/sales/data/orders")
    assert check(mesh).returncode == 1


def test_a_domain_checks_itself(mesh):
    """In a domain's own CI: its folder, and the governance bundle it was given."""
    arguments = ("check", "--domain", mesh / "mesh/domains/geography", "--governance", mesh / "mesh/governance")
    good = gateways.run(*arguments)
    assert good.returncode == 0, good.stdout + good.stderr
    spoil(mesh, "mesh/domains/geography/policies/access.cedar", 'Domain::"geography"', 'Domain::"sales"')
    bad = gateways.run(*arguments)
    assert bad.returncode == 1
    assert "access.cedar:" in bad.stdout + bad.stderr


def test_a_missing_configuration_is_said_plainly(tmp_path):
    report = gateways.run("check", "--config", tmp_path / "none.toml")
    assert report.returncode != 0
    assert "none.toml" in report.stderr and "panicked" not in report.stderr
