"""Knowing who sees what: `airside explain`, `access` and `test`, and the same as Flight actions for owners."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from grpc import StatusCode

import gateway as gateways
import wire

ACTIONS = ("airside.explain", "airside.access", "airside.test")
ORDERS = {
    "airside.explain": {"user": "analyst", "question": "sales.orders"},
    "airside.access": {"subject": "sales.orders"},
    "airside.test": {"domain": "sales"},
}
CUSTOMERS = {
    "airside.explain": {"user": "analyst", "question": "customers.customer"},
    "airside.access": {"subject": "customers.customer"},
    "airside.test": {"domain": "customers"},
}
SALES_TESTS = "mesh/domains/sales/tests/access.yaml"


@pytest.fixture
def mesh(gateway, tmp_path) -> Path:
    """A copy of the demo mesh to change."""
    return Path(shutil.copytree(gateway.directory, tmp_path / "mesh"))


def airside(command: str, directory: Path, *arguments: str, timeout: float = 180):
    return gateways.run(command, "--config", directory / "airside.toml", *arguments, timeout=timeout)


def explain(directory: Path, *arguments: str) -> dict:
    result = airside("explain", directory, "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def act(client: wire.Raw, name: str, request: dict) -> bytes:
    return b"".join(client.stream("DoAction", wire.action(name, json.dumps(request))))


def reply(client: wire.Raw, name: str, request: dict) -> dict:
    sent = act(client, name, request)
    return json.loads(sent[sent.index(b"{") :])


# --- explain --------------------------------------------------------------------------------------


def test_explain_tells_what_an_analyst_gets(gateway):
    told = explain(gateway.directory, "--as", "analyst", "customers.customer")
    assert told["principal"]["groups"] == ["analysts", "staff"]
    [dataset] = told["datasets"]
    assert dataset["decision"] == "permitted"
    assert dataset["rows"] == 'c_mktsegment == "BUILDING"'
    masks = {column["name"]: column["mask"] for column in dataset["columns"] if column["shown"] == "masked"}
    assert masks == {"c_phone": "partial"}
    policy = next(policy for policy in dataset["policies"] if policy["id"] == "analysts_see_their_segment")
    line = Path(policy["file"]).read_text().splitlines()[policy["line"] - 1]
    assert "analysts_see_their_segment" in line
    assert "governed=customers.customer" in told["plan"]


def test_explain_takes_groups_claims_purposes_and_statements(gateway):
    who = ("--as", "ada", "--group", "analysts", "--claim", "market_segment=MACHINERY")
    told = explain(gateway.directory, *who, "SELECT count(*) FROM customers.customer JOIN sales.orders ON true")
    assert [dataset["asked"] for dataset in told["datasets"]] == ["customers.customer", "sales.orders"]
    assert told["datasets"][0]["rows"] == 'c_mktsegment == "MACHINERY"'
    for purpose, shown in (("audit", "raw"), ("reporting", "absent")):
        told = explain(gateway.directory, "--as", "service", "--purpose", purpose, "supply.partsupp")
        columns = {column["name"]: column["shown"] for column in told["datasets"][0]["columns"]}
        assert columns["ps_supplycost"] == shown


def test_explain_says_why_something_is_hidden(gateway):
    result = airside("explain", gateway.directory, "--as", "nobody", "sales.orders")
    assert result.returncode == 0
    assert "sales.orders@1.0.0: hidden" in result.stdout
    assert "no permit of `discover` holds" in result.stdout
    assert "permit owners_read_sales" in result.stdout and "access.cedar:" in result.stdout
    assert airside("explain", gateway.directory, "--as", "nobody", "sales.ordres").returncode == 1


# --- access ---------------------------------------------------------------------------------------


def test_access_lists_groups_purposes_and_filters(gateway):
    result = airside("access", gateway.directory, "--csv", "supply.partsupp.ps_supplycost")
    rows = {(row["who"], row["purposes"]): row["access"] for row in csv.DictReader(io.StringIO(result.stdout))}
    assert rows["group pipelines", "audit"] == "raw"
    assert rows["group pipelines", "none another"] == "nothing"
    assert rows["group stewards", "any"] == "raw"
    assert rows["anybody", "any"] == "nothing"

    result = airside("access", gateway.directory, "--json", "customers.customer")
    told = json.loads(result.stdout)
    analysts = [row for row in told["rows"] if row["who"] == {"kind": "group", "name": "analysts"}]
    by_condition = {row["condition"]: row["access"] for row in analysts}
    assert by_condition["without market_segment"]["decision"] == "unreadable"
    assert by_condition["with market_segment"]["rows"] == "c_mktsegment == principal.market_segment"
    assert by_condition["with market_segment"]["masked"] == {"c_phone": "partial"}


def test_access_follows_the_clock(mesh):
    policies = mesh / "mesh/domains/sales/policies/access.cedar"
    ends = 'permit (principal == User::"temp", action in Action::"read", resource in Domain::"sales")'
    policies.write_text(policies.read_text() + ends + ' when { context.now < datetime("2999-01-01") };\n')
    result = airside("access", mesh, "--csv", "sales.orders")
    rows = [row for row in csv.DictReader(io.StringIO(result.stdout)) if row["who"] == "user temp"]
    assert [(row["access"], row["from"], row["until"]) for row in rows] == [
        ("9 columns raw", "", "2999-01-01T00:00:00Z"),
        ("nothing", "2999-01-01T00:00:00Z", ""),
    ]


# --- test -----------------------------------------------------------------------------------------


def test_the_demo_mesh_passes_its_tests(gateway):
    result = airside("test", gateway.directory)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].endswith(" passed, 0 failed")


FAILING = """
  - name: fails
    principal: {user: analyst, groups: [analysts]}
    product: %s
    expect: %s
"""


@pytest.mark.parametrize(
    ("product", "expect", "says"),
    [
        ("sales.orders", "{rows: 'o_orderkey == 1'}", ["decision: rows", "expected  o_orderkey == 1", "found     all"]),
        ("sales.orders", "{masks: {o_clerk: hmac}}", ["decision: masks", "expected  o_clerk: hmac"]),
        ("sales.orders", "{columns: [o_orderkey]}", ["decision: columns"]),
        ("sales.orders", "{denied: hidden}", ["decision: denied", "found     permitted"]),
        (
            "sales.orders",
            "{count: 7}",
            [f"{path}: count" for path in ("path", "ProductRequest", "CommandStatementQuery", "prepared statement")],
        ),
    ],
    ids=["rows", "masks", "columns", "denied", "count"],
)
def test_a_failing_test_says_what_it_found(product, expect, says, mesh):
    tests = mesh / SALES_TESTS
    tests.write_text(tests.read_text() + FAILING % (product, expect))
    result = airside("test", mesh, "--domain", "sales")
    assert result.returncode == 1
    for words in ["FAILED sales.orders: fails", "access.yaml:", *says]:
        assert words in result.stdout, result.stdout
    assert result.stdout.splitlines()[-1].endswith(" passed, 1 failed")
    assert airside("check", mesh).returncode == 0, "a failing test is no fault of the mesh"


def test_a_policy_that_changes_fails_its_tests(mesh):
    """A mask that is taken away is noticed."""
    policies = mesh / "mesh/domains/customers/policies/access.cedar"
    text = policies.read_text()
    policies.write_text(text.replace('["c_name", "c_address"]', '["c_name", "c_address", "c_phone"]'))
    result = airside("test", mesh, "--domain", "customers")
    assert result.returncode == 1
    assert "decision: masks\n         expected  c_phone: partial\n         found     none" in result.stdout


def test_a_bad_test_file_is_a_fault(mesh):
    tests = mesh / SALES_TESTS
    tests.write_text(tests.read_text() + FAILING % ("sales.orders", "{row: all}"))
    result = airside("check", mesh)
    assert result.returncode == 1
    assert f"access.yaml:{tests.read_text().count(chr(10))}" in result.stdout
    assert "`row` is no key of `expect`" in result.stdout


def test_a_test_may_ask_about_another_time(mesh):
    policies = mesh / "mesh/domains/sales/policies/access.cedar"
    ends = 'permit (principal == User::"temp", action in Action::"read", resource in Domain::"sales")'
    policies.write_text(policies.read_text() + ends + ' when { context.now < datetime("2020-01-01") };\n')
    tests = mesh / SALES_TESTS
    case = "\n  - {name: %s, principal: {user: temp}, product: sales.orders, at: %s, expect: {%s}}"
    cases = case % ("then", "2019-12-31T00:00:00Z", "rows: all") + case % (
        "now",
        "2020-01-01T00:00:00Z",
        "denied: hidden",
    )
    tests.write_text(tests.read_text() + cases + "\n")
    result = airside("test", mesh, "--domain", "sales")
    assert result.returncode == 0, result.stdout


# --- as Flight actions ----------------------------------------------------------------------------


def test_the_actions_are_listed(raw):
    listed = b"".join(raw("owner").stream("ListActions", b""))
    assert all(name.encode() in listed for name in ACTIONS)


def test_an_owner_looks_behind_their_own_products(raw):
    owner = raw("owner")
    told = reply(owner, "airside.explain", ORDERS["airside.explain"])
    [dataset] = told["datasets"]
    assert (dataset["decision"], dataset["rows"]) == ("permitted", "all")
    assert {policy["file"] for policy in dataset["policies"]} == {"policies/access.cedar"}
    assert "groups" not in told["principal"], "an owner need not know somebody's other groups"
    told = reply(owner, "airside.access", {"subject": "sales.orders.o_clerk"})
    groups = {row["who"].get("name"): row["access"]["raw"] for row in told["rows"]}
    assert groups["analysts"] == ["o_clerk"] and groups["scientists"] == []
    told = reply(owner, "airside.test", {"domain": "sales"})
    assert told["failed"] == 0 and told["passed"] == len(told["tests"]) > 0


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("user", ["owner", "analyst", "nobody", "steward"])
def test_what_one_may_not_administer_does_not_exist(name, user, raw):
    missing = {
        key: value.replace("customers.customer", "customers.custonot").replace("customers", "custonors")
        for key, value in CUSTOMERS[name].items()
    }
    refusals = []
    for request in (CUSTOMERS[name], missing):
        with pytest.raises(wire.Refused) as refusal:
            act(raw(user), name, request)
        assert refusal.value.code is StatusCode.NOT_FOUND, refusal.value
        names = ("customers.customer", "custonors.custonot", "customers", "custonors")
        refusals.append(wire.alike(refusal.value.message, *names))
    assert refusals[0] == refusals[1]


@pytest.mark.parametrize("name", ACTIONS)
def test_reading_is_not_administering(name, raw):
    with pytest.raises(wire.Refused) as refusal:
        act(raw("analyst"), name, ORDERS[name])
    assert refusal.value.code is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM sales.orders JOIN customers.customer ON o_custkey = c_custkey",
        "SELECT * FROM sales.orders WHERE EXISTS (SELECT 1 FROM customers.customer)",
        "SELECT 1",
    ],
)
def test_a_statement_must_name_ones_own_products_alone(question, raw):
    with pytest.raises(wire.Refused) as refusal:
        act(raw("owner"), "airside.explain", {"user": "analyst", "question": question})
    assert refusal.value.code is StatusCode.NOT_FOUND


def test_no_place_leaves(raw, gateway):
    """Neither where files lie nor what else there is."""
    owner = raw("owner")
    sent = [act(owner, name, request) for name, request in ORDERS.items()]
    join = "SELECT * FROM sales.orders JOIN sales.lineitem ON o_orderkey = l_orderkey WHERE o_totalprice > 7"
    sent.append(act(owner, "airside.explain", {"user": "analyst", "question": join}))
    for canary in (str(gateway.directory), "/mesh/", ".parquet", "data/orders", "customers", "supply", "$argon2"):
        assert not [message for message in sent if canary.encode() in message], canary


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("airside.explain", b""),
        ("airside.explain", b"{"),
        ("airside.explain", b'{"user": "a", "question": "sales.orders", "extra": 1}'),
        ("airside.explain", b'{"user": "a", "question": "sales.orders", "purpose": "A B"}'),
        ("airside.access", b'{"subject": "orders"}'),
        ("airside.access", b'{"subject": 3}'),
        ("airside.test", b"[1]"),
        ("airside.test", b'{"domain": "' + b"x" * 100_000 + b'"}'),
        ("airside.explain", b"[" * 50_000),
    ],
)
def test_malformed_requests_are_refused(name, body, raw):
    with pytest.raises(wire.Refused) as refusal:
        raw("owner").stream("DoAction", wire.action(name, body))
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT, refusal.value
