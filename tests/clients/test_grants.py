"""Grants that owners make and take back, the warnings of `airside check`, and what it refuses."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

import gateway as gateways
from conftest import connect_adbc

POLICIES = "mesh/domains/sales/policies/grants_orders.cedar"
TESTS = "mesh/domains/sales/tests/grants_orders.yaml"
ACCESS = "mesh/domains/sales/policies/access.cedar"
CONTRACT = "mesh/domains/sales/products/orders.odcs.yaml"
STANDARDS = "mesh/governance/standards.toml"


@pytest.fixture
def mesh(gateway, tmp_path) -> Path:
    """A copy of the demo mesh to change, its data by link."""
    copy = tmp_path / "mesh"
    shutil.copytree(gateway.directory, copy, copy_function=shutil.copy2)
    return copy


def run(command: str, mesh: Path, *arguments: str | Path):
    return gateways.run(command, *arguments, "--config", mesh / "airside.toml")


def grant(mesh: Path, *arguments: str):
    return run("grant", mesh, "sales.orders", *arguments)


def revoke(mesh: Path, *arguments: str):
    return run("revoke", mesh, "sales.orders", *arguments)


def check(mesh: Path, *arguments: str):
    return run("check", mesh, *arguments)


def good(result) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(result) -> str:
    text = result.stdout + result.stderr
    assert result.returncode == 1, text
    assert "panicked" not in text
    return text


def files(mesh: Path) -> dict[str, str]:
    return {str(file): file.read_text() for file in sorted((mesh / "mesh").rglob("*.*")) if file.suffix != ".parquet"}


# --- grants ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--rows", 'o_orderstatus == "F" && o_totalprice < 1000'),
        ("--purpose=analytics", "--until=2099-12-31"),
        ("--raw=o_clerk", "--mask=o_orderpriority=redact"),
    ],
    ids=["plain", "rows", "purpose", "columns"],
)
def test_the_tests_that_a_grant_writes_hold(mesh, arguments):
    """Over every path a client can take, like tests written by hand."""
    before = int(re.search(r"^(\d+) passed, 0 failed$", good(run("test", mesh)), re.MULTILINE)[1])
    good(grant(mesh, "--to=guests", *arguments))
    after = int(re.search(r"^(\d+) passed, 0 failed$", good(run("test", mesh)), re.MULTILINE)[1])
    assert after > before


def test_a_grant_is_written_shown_and_tested(mesh):
    told = good(
        grant(
            mesh,
            "--to=scientists",
            "--rows",
            "o_orderstatus == 'F'".replace("'", '"') + ' && o_orderdate >= "1995-01-01" && o_totalprice < 1000',
            "--purpose=analytics",
            "--until=2099-12-31",
            "--mask=o_clerk=redact",
        )
    )
    assert re.search(r"before +hidden", told) and re.search(r"after +rows where", told), told
    assert "o_clerk (redact)" in told and "2100-01-01T00:00:00Z" in told
    policies = (mesh / POLICIES).read_text()
    assert '@id("grant:orders:scientists@analytics:rows")' in policies
    assert 'resource.row.o_orderdate >= datetime("1995-01-01")' in policies
    assert 'resource.row.o_totalprice.lessThan(decimal("1000.0"))' in policies
    assert 'context.purpose == "analytics"' in policies and 'context.now < datetime("2100-01-01")' in policies
    assert 'Action::"read"' not in policies, "no unfiltered permit swallows the filter"
    cases = {case["name"]: case["expect"] for case in yaml.safe_load((mesh / TESTS).read_text())["tests"]}
    assert cases["scientists read sales.orders for analytics"]["masks"] == {"o_clerk": "redact"}
    assert cases["scientists read sales.orders for analytics, no purpose stated"] == {"denied": "hidden"}
    assert cases["scientists read sales.orders for analytics, ended"] == {"denied": "hidden"}
    assert "no faults" in good(check(mesh))


def test_an_attribute_is_guarded_and_tried(mesh):
    told = good(grant(mesh, "--to=guests", "--rows=o_orderpriority == principal.market_segment"))
    assert 'rows where o_orderpriority == "a_market_segment"' in told, told
    policies = (mesh / POLICIES).read_text()
    assert "principal has market_segment && resource.row.o_orderpriority == principal.market_segment" in policies
    [case, *_] = yaml.safe_load((mesh / TESTS).read_text())["tests"]
    assert case["principal"]["claims"] == {"market_segment": "a_market_segment"}


def test_a_running_gateway_follows_a_grant_and_its_revocation(private):
    running = private()
    version = re.compile(r"mesh version (\w+)")

    def take_over(change):
        before = version.search(running.get("/readyz")[1])[1]
        good(change)
        running.wait_until(lambda: version.search(running.get("/readyz")[1])[1] != before, "the change is taken over")

    def count() -> int:
        with connect_adbc(running, "nobody") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) AS n, count(DISTINCT o_orderstatus) AS s FROM sales.orders")
            [row] = cursor.fetch_arrow_table().to_pylist()
        assert row["s"] == 1
        return row["n"]

    with pytest.raises(Exception, match="not found"):
        count()
    take_over(grant(running.directory, "--to=user:nobody", "--rows", 'o_orderstatus == "P"'))
    assert count() > 0
    take_over(revoke(running.directory, "--from=user:nobody"))
    with pytest.raises(Exception, match="not found"):
        count()


def test_grant_and_revoke_leave_the_mesh_as_it_was(mesh):
    before = files(mesh)
    good(grant(mesh, "--to=guests"))
    good(grant(mesh, "--to=user:ada", "--purpose=audit", "--raw=o_clerk"))
    assert len(files(mesh)) == len(before) + 2
    told = good(revoke(mesh, "--from=guests"))
    assert re.search(r"after +hidden", told), told
    good(revoke(mesh, "--from=user:ada"))
    assert files(mesh) == before


def test_a_second_grant_takes_the_place_of_the_first(mesh):
    good(grant(mesh, "--to=guests", "--until=2098-01-01"))
    told = good(grant(mesh, "--to=guests", "--until=2099-01-01"))
    assert "in place of an earlier grant" in told
    assert "2098" not in (mesh / POLICIES).read_text() + (mesh / TESTS).read_text()
    assert (mesh / POLICIES).read_text().count("@id") == 1


def test_what_people_wrote_stays(mesh):
    mine = '// Mine.\n@id("mine")\nforbid (principal, action == Action::"query", resource in Product::"sales.orders")\n'
    mine += 'when { context.purpose == "marketing" };\n'
    (mesh / POLICIES).write_text(mine)
    tests = "# Mine.\ntests:\n  - name: mine\n    principal: {user: x}\n    product: sales.orders\n"
    tests += "    expect: {denied: hidden}\n"
    (mesh / TESTS).parent.mkdir(exist_ok=True)
    (mesh / TESTS).write_text(tests)
    good(grant(mesh, "--to=guests"))
    assert (mesh / POLICIES).read_text().startswith(mine) and (mesh / TESTS).read_text().startswith(tests)
    good(revoke(mesh, "--from=guests"))
    assert (mesh / POLICIES).read_text() == mine and (mesh / TESTS).read_text() == tests


def test_an_edited_grant_is_its_editors(mesh):
    good(grant(mesh, "--to=guests", "--rows=o_orderkey > 3"))
    (mesh / POLICIES).write_text((mesh / POLICIES).read_text().replace("> 3", "> 2"))
    for result in (grant(mesh, "--to=guests"), revoke(mesh, "--from=guests")):
        assert "edited by hand" in refused(result) and "grants_orders.cedar, lines" in refused(result)


def test_a_dry_run_writes_nothing(mesh):
    before = files(mesh)
    told = good(grant(mesh, "--to=guests", "--dry-run"))
    assert "would write" in told and "permit (" in told
    assert files(mesh) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to=guests", "--rows=o_orderstat == 1"], ["no column `o_orderstat`", "did you mean `o_orderstatus`"]),
        (
            ["--to=guests", "--rows=o_orderkey == principal.regoin"],
            ["no attribute `regoin`", "principal.market_segment"],
        ),
        (["--to=guests", "--rows=o_orderkey + 1 > 2"], ["does not compute"]),
        (["--to=guests", "--rows=true }; permit (principal, action, resource) when { true"], ["is no condition"]),
        (["--to=guests", "--until=2020-01-01"], ["lies in the past"]),
        (["--to=guests", "--until=soon"], ["is no date"]),
        (["--to=guests", "--raw=o_clrek"], ["no column `o_clrek`", "`o_clerk`"]),
        (["--to=guests", "--mask=o_orderkey=hmac"], ["is not defined on `o_orderkey`"]),
        (["--to=guests", "--mask=o_clerk=hash"], ["is not a mask"]),
        (["--to=a b"], ["neither a group"]),
        (["--to=guests", "--purpose=Audit"], ["a purpose is"]),
    ],
)
def test_what_cannot_be_granted_is_said_plainly(arguments, says, mesh):
    before = files(mesh)
    text = refused(grant(mesh, *arguments))
    for words in says:
        assert words in text, text
    assert files(mesh) == before


@pytest.mark.parametrize(
    ("product", "says"),
    [
        ("sales.ordres", "did you mean `sales.orders`?"),
        ("slaes.orders", "no domain `slaes`"),
        ("sales.orders@1", "leave out what follows `@`"),
        ("orders", "is no product"),
    ],
)
def test_what_does_not_exist_cannot_be_granted(product, says, mesh):
    assert says in refused(run("grant", mesh, product, "--to=guests"))


def test_nothing_is_written_where_the_mesh_has_faults(mesh):
    (mesh / ACCESS).write_text("permit (")
    before = files(mesh)
    assert "access.cedar:1" in refused(grant(mesh, "--to=guests"))
    assert files(mesh) == before


def test_a_domain_grants_in_its_own_checkout(mesh):
    place = ["--domain", mesh / "mesh/domains/sales", "--governance", mesh / "mesh/governance"]
    good(gateways.run("grant", "sales.orders", "--to", "guests", *place))
    assert (mesh / POLICIES).exists()
    good(gateways.run("revoke", "sales.orders", "--from", "guests", *place))
    assert not (mesh / POLICIES).exists()
    refused(gateways.run("grant", "customers.customer", "--to", "guests", *place))


def test_a_ceiling_goes_before_a_grant(mesh):
    ceilings = mesh / "mesh/governance/ceilings"
    ceilings.mkdir()
    (ceilings / "staff.cedar").write_text(
        'permit (principal in Group::"staff", action, resource);\npermit (principal is Domain, action, resource);\n'
        'permit (principal in Group::"pipelines", action, resource);\n'
    )
    told = good(grant(mesh, "--to=guests"))
    assert re.search(r"after +hidden", told) and "a ceiling of the platform goes before" in told


# --- revocation -----------------------------------------------------------------------------------


def test_other_policies_keep_a_revocation_from_being_believed(mesh):
    text = refused(revoke(mesh, "--from=analysts"))
    assert "`analysts_read_sales`" in text and "access.cedar:" in text
    good(grant(mesh, "--to=analysts", "--purpose=audit"))
    assert "would still read" in refused(revoke(mesh, "--from=analysts"))
    told = good(revoke(mesh, "--from=analysts", "--anyway"))
    assert "all rows" in told.split("after")[1]


def test_nothing_to_take_back_is_no_failure(mesh):
    assert "nothing to take back" in good(revoke(mesh, "--from=guests"))


def test_one_purpose_is_taken_back_alone(mesh):
    for purpose in ("audit", "analytics"):
        good(grant(mesh, "--to=guests", f"--purpose={purpose}"))
    good(revoke(mesh, "--from=guests", "--purpose=audit"))
    text = (mesh / POLICIES).read_text()
    assert "@analytics" in text and "@audit" not in text


# --- warnings -------------------------------------------------------------------------------------


def test_the_demo_mesh_has_no_warnings(mesh):
    assert good(check(mesh, "--strict")).strip() == "no faults"


def test_a_swallowed_filter_is_told_at_once(mesh):
    told = good(grant(mesh, "--to=analysts", "--rows=o_orderkey > 3"))
    assert "warning: " in told and "hides nothing" in told and "`analysts_read_sales`" in told
    found = check(mesh)
    text = good(found)
    assert re.search(r"warning: \S+grants_orders.cedar:\d+: the row filter of", text), text
    assert re.search(r"access.cedar:\d+", text) and "hint: " in text and "no faults, 1 warning" in text
    assert "1 warning" in refused(check(mesh, "--strict"))


def test_a_group_that_nobody_is_in_is_told(mesh):
    file = mesh / ACCESS
    file.write_text(file.read_text().replace('Group::"pipelines"', 'Group::"pipelnes"'))
    text = good(check(mesh))
    assert "the group `pipelnes`" in text and "did you mean `pipelines`?" in text


def test_roles_that_say_other_than_the_policies_are_told(mesh):
    file = mesh / CONTRACT
    file.write_text(file.read_text().replace("role: pipelines", "role: auditors"))
    text = good(check(mesh))
    assert re.search(r"orders.odcs.yaml:\d+: the contract says that the role `auditors` reads", text), text
    assert "permits the group `pipelines` to read" in text


# --- federation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ('permit (principal, action in Action::"read", resource);', "the resource is not bounded"),
        (
            'permit (principal, action in Action::"read", resource in Domain::"customers");',
            "may not speak of the domain `customers`",
        ),
        (
            'permit (principal, action in Action::"read", resource in Product::"customers.customer");',
            "may not speak of the domain `customers`",
        ),
        (
            'permit (principal, action == Action::"query", resource is sales::orders)\n'
            "when { resource.row.o_orderkey + 1 > 3 };",
            "arithmetic",
        ),
        (
            'permit (principal, action == Action::"query", resource is sales::orders)\n'
            'when { resource.row.o_orderstats == "F" };',
            "did you mean `o_orderstatus`",
        ),
        (
            'permit (principal, action == Action::"query", resource is sales::orders)\n'
            'when { [resource.row.o_clerk].contains("x") };',
            "a set that holds columns cannot become a row filter",
        ),
        (
            'permit (principal, action == Action::"query", resource is sales::orders)\n'
            "when { resource.row == resource.row };",
            "the row itself",
        ),
    ],
)
def test_a_domain_policy_that_cannot_stand_is_refused(policy, says, mesh):
    (mesh / POLICIES).write_text(policy)
    text = refused(check(mesh))
    assert re.search(r"grants_orders.cedar:\d+: ", text) and says in text and "hint: " in text, text


@pytest.mark.parametrize(
    ("standards", "says"),
    [
        ('product = ["title", "promises"]\ncolumn = ["description"]', None),
        ('column_names = "[a-z]_[a-z]+"', "column `customer_id` is not named"),
        ("quality_rules = 30", "rules of quality"),
        ('quality_kinds = ["custom"]', "has no rule of quality `custom`"),
        ('masked = ["confidential"]', "has no default mask"),
        ('product_names = "("', "standards.toml:1: `product_names` is no regular expression"),
        ('products = ["title"]', "standards.toml:1: `products` is not a key"),
    ],
)
def test_standards_are_held(standards, says, mesh):
    (mesh / STANDARDS).write_text(standards + "\n")
    if says is None:
        good(check(mesh))
        return
    text = refused(check(mesh))
    assert says in text and "hint: " in text, text


def test_a_domain_alone_is_not_asked_for_others(mesh):
    """Global policies name other domains' things, and the governance comes without them."""
    (mesh / "mesh/governance/others.cedar").write_text(
        'forbid (principal, action, resource in Product::"customers.customer") unless { context.purpose == "x" };\n'
        'forbid (principal, action == Action::"discover", resource) when { resource in Domain::"customers" }\n'
        'unless { principal in Group::"staff" || principal == Domain::"marketing" };\n'
    )
    sales = ["--domain", mesh / "mesh/domains/sales", "--governance", mesh / "mesh/governance"]
    assert good(gateways.run("check", *sales)).strip() == "no faults"
    (mesh / "mesh/governance/own.cedar").write_text(
        'forbid (principal, action, resource in Product::"sales.ordres");\n'
    )
    assert "did you mean `sales.orders`?" in refused(gateways.run("check", *sales))


# --- keys of the hmac mask ------------------------------------------------------------------------


def test_digests_tell_their_key(mesh, gateway, tmp_path):
    config = mesh / "airside.toml"
    text = config.read_text()
    for name in ("old", "new"):
        (mesh / "secrets" / name).write_text(name * 16)
    keys = (
        'keys = [{ id = "2020", key = "file:secrets/old", from = 2020-01-01T00:00:00Z },'
        ' { id = "2021", key = "file:secrets/new", from = 2021-01-01T00:00:00Z },'
        ' { id = "2099", key = "file:secrets/old", from = 2099-01-01T00:00:00Z }]'
    )
    line = 'key = "file:secrets/masks.key"'
    assert line in text
    config.write_text(text.replace(line, f"{line}\n{keys}"))
    assert "keep one of them" in refused(gateways.run("serve", "--config", config))
    config.write_text(text.replace(line, keys))
    running = gateways.serve(config, tmp_path / "keys.log")
    try:
        running.users, running.tokens = gateway.users, gateway.tokens
        with connect_adbc(running, "scientist") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT phone FROM marketing.customer_lifetime_value LIMIT 50")
            phones = cursor.fetch_arrow_table()["phone"].to_pylist()
        assert phones and all(re.fullmatch(r"2021:[A-Za-z0-9_-]{43}", phone) for phone in phones), phones[:3]
    finally:
        running.kill()
