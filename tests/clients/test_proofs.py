"""`airside check --prove` and `airside diff`: what is proven, for all principals and rows there could be."""

import json
import shutil
from pathlib import Path

import pytest

import gateway as gateways

SALES = "mesh/domains/sales/policies/access.cedar"
CUSTOMERS = "mesh/domains/customers/policies/access.cedar"
CONTRACT = "mesh/domains/customers/products/customer.odcs.yaml"
RESTRICTED = "mesh/governance/restricted.cedar"
ANALYSTS = 'permit (principal in Group::"analysts", action in Action::"read", resource in Domain::"sales");'


@pytest.fixture
def meshes(gateway, tmp_path) -> tuple[Path, Path]:
    """The demo mesh twice: to be left as it is, and to be changed."""
    old, new = (Path(shutil.copytree(gateway.directory, tmp_path / name)) for name in ("old", "new"))
    return old, new


def edit(mesh: Path, file: str, old: str, new: str) -> None:
    path = mesh / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def add(mesh: Path, file: str, policy: str) -> None:
    path = mesh / file
    path.write_text(f"{path.read_text()}\n{policy}\n")


def diff(meshes, *, code: int) -> dict[tuple[str, str], dict]:
    """What differs, by dataset and action."""
    old, new = (mesh / "airside.toml" for mesh in meshes)
    result = gateways.run("diff", old, new, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    told = json.loads(result.stdout)
    assert told["permitsNoMore"] == (code == 0)
    return {
        (dataset["dataset"], action["action"]): action for dataset in told["datasets"] for action in dataset["actions"]
    }


def words(action: dict, direction: str = "wider") -> str:
    return " | ".join(finding["example"]["words"] for finding in action[direction])


def test_a_mesh_is_what_it_is(meshes):
    assert diff(meshes, code=0) == {}
    old, new = (mesh / "airside.toml" for mesh in meshes)
    result = gateways.run("diff", old, new)
    assert result.stdout.strip() == "the same: proven that NEW permits what OLD did"


def test_a_row_filter_that_widens_names_a_row(meshes):
    segment = "resource.row.c_mktsegment == principal.market_segment"
    edit(meshes[1], CUSTOMERS, segment, f'({segment} || resource.row.c_mktsegment == "BUILDING")')
    found = diff(meshes, code=1)
    assert set(found) == {("customers.customer", "query")}
    query = found["customers.customer", "query"]
    assert query["verdict"] == "wider"
    assert 'c_mktsegment = "BUILDING"' in words(query)
    assert "`analysts`" in words(query)
    assert "market_segment = " in words(query)
    back = diff(meshes[::-1], code=0)
    assert back["customers.customer", "query"]["verdict"] == "narrower"


def test_a_forbid_taken_out_widens(meshes):
    edit(meshes[1], RESTRICTED, 'resource.classification == "restricted" &&', 'resource.classification == "none" &&')
    found = diff(meshes, code=1)
    assert {action["verdict"] for action in found.values()} == {"wider"}
    assert all(action in ("readColumn", "readRaw", "readMasked", "masks") for _, action in found)


def test_a_new_group_and_fewer_rows(meshes):
    add(
        meshes[1],
        SALES,
        'permit (principal in Group::"interns", action in Action::"read", resource in Product::"sales.orders");',
    )
    edit(meshes[1], SALES, ANALYSTS, ANALYSTS.replace(");", ') when { context.purpose == "reports" };'))
    found = diff(meshes, code=1)
    query = found["sales.orders", "query"]
    assert query["verdict"] == "wider and narrower"
    assert words(query) == "a user in the group `interns`"
    assert words(query, "narrower") == "a user in the group `analysts`"
    assert found["sales.orders", "discover"]["verdict"] == "wider and narrower"
    assert found["sales.lineitem", "query"]["verdict"] == "narrower"


def test_a_column_that_is_shown_raw(meshes):
    edit(meshes[1], CUSTOMERS, '["c_name", "c_address"]', '["c_name", "c_address", "c_phone"]')
    found = diff(meshes, code=1)
    raw = found["customers.customer", "readRaw"]
    assert [finding["columns"] for finding in raw["wider"]] == [["c_phone"]]
    masks = found["customers.customer", "masks"]
    assert ("raw", ["c_phone"]) in [(finding["shown"], finding["columns"]) for finding in masks["wider"]]


def test_a_weaker_default_mask_is_seen_without_any_policy(meshes):
    old = meshes[0] / CONTRACT
    old.write_text(old.read_text().replace("airside.maskDefault, value: partial", "airside.maskDefault, value: redact"))
    found = diff(meshes, code=1)
    assert set(found) == {("customers.customer", "masks")}
    masks = found["customers.customer", "masks"]
    assert masks["verdict"] == "wider"
    assert {(finding["shown"], *finding["columns"]) for finding in masks["wider"]} == {("partial", "c_phone")}
    told = gateways.run("diff", *(mesh / "airside.toml" for mesh in meshes)).stdout
    assert "contract: default mask of `c_phone`: `redact` → `partial`" in told


def test_ceilings_bound_what_a_domain_can_widen(meshes):
    for mesh in meshes:
        ceilings = mesh / "mesh/governance/ceilings"
        ceilings.mkdir()
        (ceilings / "all.cedar").write_text('permit (principal in Group::"analysts", action, resource);')
    add(
        meshes[1],
        SALES,
        'permit (principal in Group::"interns", action in Action::"read", resource in Product::"sales.orders");',
    )
    # Interns who are analysts besides could read it before.
    assert diff(meshes, code=0) == {}
    add(meshes[1], "mesh/governance/ceilings/all.cedar", 'permit (principal in Group::"interns", action, resource);')
    assert "`interns`" in words(diff(meshes, code=1)["sales.orders", "query"])


def test_products_come_and_go(meshes):
    (meshes[1] / "mesh/domains/sales/products/lineitem.odcs.yaml").unlink()
    shutil.rmtree(meshes[1] / "mesh/domains/sales/tests", ignore_errors=True)
    old, new = (mesh / "airside.toml" for mesh in meshes)
    gone = gateways.run("diff", old, new)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "removed, version 1.0.0" in gone.stdout
    come = gateways.run("diff", new, old)
    assert come.returncode == 1
    assert "added, version 1.0.0" in come.stdout


def test_a_domain_by_itself(meshes):
    old, new = meshes
    add(new, SALES, ANALYSTS.replace("analysts", "interns"))
    result = gateways.run(
        "diff",
        "--domain",
        old / "mesh/domains/sales",
        new / "mesh/domains/sales",
        "--governance",
        old / "mesh/governance",
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "now permitted: a user in the group `interns`" in result.stdout


def test_dead_permits_are_warned_of(meshes):
    add(
        meshes[1],
        SALES,
        '@id("dead") permit (principal, action == Action::"query", resource is sales::orders)\n'
        'when { context.purpose == "a" && context.purpose == "b" };',
    )
    config = meshes[1] / "airside.toml"
    plain = gateways.run("check", "--config", config)
    assert "permits nothing" not in plain.stdout
    proven = gateways.run("check", "--prove", "--config", config)
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "access.cedar:" in proven.stdout
    assert "`dead` permits nothing" in proven.stdout
    assert "policies looked at" in proven.stdout
    assert gateways.run("check", "--prove", "--strict", "--config", config).returncode == 1


def test_without_the_solver_it_says_what_to_install(meshes):
    without = {"CVC5": str(meshes[0] / "no-such-program")}
    config = meshes[0] / "airside.toml"
    assert gateways.run("check", "--config", config, env=without).returncode == 0
    for arguments, code in ((("check", "--prove", "--config", config), 1), (("diff", config, config), 2)):
        result = gateways.run(*arguments, env=without)
        assert result.returncode == code
        assert "apt install cvc5" in result.stderr
        assert "CVC5" in result.stderr
        assert "panicked" not in result.stderr


def test_trouble_is_told_from_a_verdict(meshes, tmp_path):
    assert gateways.run("diff", meshes[0] / "airside.toml", tmp_path / "nothing.toml").returncode == 2
    edit(meshes[1], SALES, "permit (", "permitt (")
    result = gateways.run("diff", *(mesh / "airside.toml" for mesh in meshes))
    assert result.returncode == 2
    assert "access.cedar" in result.stderr
