"""The audit of a running gateway: each answer and each refusal, how it ended, and no value of the data."""

import json
import shutil
import signal
import time

import grpc
import pytest
from grpc import StatusCode

import gateway as gateways
import wire
from browsing import id_of, signed_in
from conftest import connect_adbc, connect_flight
from receipts import decode
from test_operation import SALES_POLICY, edit
from test_streams import ANALYSTS, Reading, until_revoked
from wire import Raw, Refused


class Trail:
    """What the audit of a gateway's folder says."""

    def __init__(self, running):
        self.config = running.directory / "airside.toml"

    def run(self, *arguments: str):
        return gateways.run("audit", *arguments, "--config", self.config)

    def find(self, *filters: str) -> list[dict]:
        return [json.loads(line) for line in self.run("query", "--format", "json", *filters).stdout.splitlines()]

    def text(self) -> str:
        return "".join(file.read_text() for file in (self.config.parent / "audit").glob("*.jsonl"))


@pytest.fixture
def running(private):
    return private()


def client(running, user: str, *headers) -> Raw:
    return Raw.connect(running.address, connect_flight(running, user).header, *headers)


def test_an_answer_is_on_record_from_its_first_row_to_its_end(running):
    analyst = client(running, "analyst", ("airside-purpose", "reporting"))
    sql = "SELECT c_name, c_phone FROM customers.customer WHERE c_acctbal > 4711.25 AND c_name <> 'canary-8842'"
    info = analyst.info(wire.statement(sql))
    [data] = [analyst.stream("DoGet", endpoint.ticket.serialize()) for endpoint in info.endpoints]
    assert data
    running.stop()

    trail = Trail(running)
    verified = trail.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    [answer] = trail.find("--who", "analyst", "--product", "customers.customer")
    assert "canary-8842" not in trail.text() and "4711" not in trail.text()
    assert "Customer#" not in trail.text()
    text = json.dumps(answer)
    assert '"complete"' in text and "reporting" in text
    [line] = [record for record in map(json.loads, trail.text().splitlines()) if record["kind"] == "opening"]
    assert line["decision"] == decode(info.app_metadata).decision
    assert line["policy_version"] == decode(info.app_metadata).policy_version
    [read] = line["reads"]
    assert read["dataset"].startswith("customers.customer@")
    assert set(read["columns"]) == {"c_name", "c_phone", "c_acctbal"}
    assert read["masks"] == {"c_phone": "partial"}
    assert read["filtered"] and read["policies"]
    assert "c_acctbal" in line["asked"]["statement"]
    [closing] = [record for record in map(json.loads, trail.text().splitlines()) if record["kind"] == "closing"]
    assert closing["rows"] > 0 and closing["bytes"] > 0


def test_what_is_refused_is_on_record(running):
    nobody = client(running, "nobody")
    for ask in (
        lambda: nobody.unary("GetFlightInfo", wire.descriptor_path("sales", "orders")),
        lambda: nobody.unary("GetSchema", wire.statement("SELECT * FROM sales.orders WHERE o_clerk = 'canary-31'")),
        lambda: nobody.stream("DoAction", wire.prepare("SELECT * FROM sales.lineitem")),
        lambda: nobody.unary("GetFlightInfo", wire.statement("SELEKT 'canary-32'")),
    ):
        with pytest.raises(Refused):
            ask()
    running.stop()
    trail = Trail(running)
    denied = trail.find("--who", "nobody", "--outcome", "denied")
    assert len(denied) == 4, trail.text()
    assert "canary" not in trail.text()
    assert trail.run("verify").returncode == 0


def test_looks_behind_decisions_are_on_record(running):
    owner, nobody = client(running, "owner"), client(running, "nobody")
    look(
        owner,
        "explain",
        {"user": "analyst", "question": "SELECT o_clerk FROM sales.orders WHERE o_clerk = 'canary-41'"},
    )
    look(owner, "explain", {"user": "canary-42", "question": "sales.orders"})
    look(owner, "access", {"subject": "sales.orders"})
    look(owner, "test", {"domain": "sales"})
    for name, request in (("access", {"subject": "sales.orders"}), ("test", {"domain": "canary 43"})):
        with pytest.raises(Refused):
            look(nobody, name, request)
    running.stop()
    trail = Trail(running)
    assert "canary" not in trail.text()
    records = [json.loads(line) for line in trail.text().splitlines()]
    opened = [record for record in records if record["kind"] == "opening"]
    asked = [(line["who"]["identity"], line["asked"]["question"], line["asked"]["tables"]) for line in opened]
    assert asked == [
        ("owner", "explain", ["sales.orders"]),
        ("owner", "explain", ["sales.orders"]),
        ("owner", "access", ["sales.orders"]),
        ("owner", "test", ["sales"]),
        ("nobody", "access", ["sales.orders"]),
        ("nobody", "test", ["policy tests"]),
    ]
    assert all(line["reads"] == [] for line in opened)
    assert opened[0]["asked"]["about"] == "analyst" and opened[1]["asked"]["about"].startswith("#")
    outcomes = [record["outcome"] for record in records if record["kind"] == "closing"]
    assert outcomes == ["complete"] * 4 + ["denied"] * 2
    assert trail.run("verify").returncode == 0


def test_tokens_made_and_revoked_are_on_record(running):
    browser = signed_in(running, "owner")
    token = browser.make_token("for the canary's cage", days=3)
    name = id_of(token)
    assert browser.revoke(name).status == 200
    assert browser.revoke(name).status == 404, "what is not there is not revoked, nor on record"
    running.stop()
    trail = Trail(running)
    made, revoked = trail.find("--who", "owner")
    assert [made["asked"]["question"], revoked["asked"]["question"]] == ["token_made", "token_revoked"]
    for record in (made, revoked):
        assert (record["asked"]["token"]["id"], record["outcome"]) == (name, "complete")
        assert record["asked"]["token"]["label"] == "for the canary's cage"
        assert record["asked"]["token"]["expires"] > made["at"] and record["reads"] == []
    assert token.split("_", 2)[2] not in trail.text() and token[-6:] not in trail.text()
    shown = trail.run("query", "--who", "owner").stdout
    assert f"token_made {name} until 20" in shown and f"token_revoked {name} until 20" in shown


def test_a_token_that_cannot_be_put_on_record_is_neither_made_nor_revoked(private):
    running = private(env={"AIRSIDE_AUDIT__ROTATE_BYTES": "1"})
    browser = signed_in(running, "owner")
    token = browser.make_token("stays")
    kept = sorted((running.directory / "personal-tokens").iterdir())
    # Each record begins a file, which has no place to go to any more.
    shutil.rmtree(running.directory / "audit")
    made = browser.post("/token", {"csrf": browser.csrf(), "label": "another", "days": "1"})
    revoked = browser.revoke(id_of(token))
    for refused in (made, revoked):
        assert refused.status == 503 and "could not be put on record" in refused.text
    assert sorted((running.directory / "personal-tokens").iterdir()) == kept


def look(client: Raw, name: str, request: dict) -> list[bytes]:
    return client.stream("DoAction", wire.action(f"airside.{name}", json.dumps(request)))


def test_every_end_has_its_word(running):
    analyst = Reading(running, "analyst")
    cancelled = Reading(running, "steward")
    cancelled.messages.cancel()
    failing = client(running, "steward").info(wire.statement("SELECT CAST(o_clerk AS INT) FROM sales.orders"))
    with pytest.raises(Refused) as refusal:
        client(running, "steward").stream("DoGet", failing.endpoints[0].ticket.serialize())
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT
    edit(running, SALES_POLICY, ANALYSTS, 'principal in Group::"guests"')
    until_revoked(running)
    assert analyst.to_the_end() is StatusCode.PERMISSION_DENIED
    running.stop()

    trail = Trail(running)
    assert len(trail.find("--who", "analyst", "--outcome", "revoked")) == 1
    assert len(trail.find("--who", "steward", "--outcome", "cancelled")) == 1
    assert len(trail.find("--who", "steward", "--outcome", "failed")) == 1
    assert trail.find("--outcome", "open") == []


def test_a_stream_cut_off_by_the_end_is_on_record_too(running):
    reading = Reading(running, "steward")
    running.terminate()
    time.sleep(1)
    running.process.send_signal(signal.SIGTERM)
    running.wait()
    with pytest.raises(grpc.RpcError):
        list(reading.messages)
    trail = Trail(running)
    assert trail.find("--outcome", "open") == []
    assert len(trail.find("--who", "steward", "--outcome", "cancelled")) == 1


def test_a_crash_loses_no_record(running):
    with connect_adbc(running, "owner") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sales.orders")
        assert cursor.fetchone()
    running.process.kill()
    running.process.wait(10)
    trail = Trail(running)
    assert len(trail.find("--who", "owner")) == 1
    again = gateways.demo(running.directory, running.log)
    again.stop()
    assert trail.run("verify").returncode == 0


def test_a_changed_line_is_noticed(running):
    client(running, "owner").read(wire.statement("SELECT count(*) FROM sales.orders"))
    running.stop()
    [file] = (running.directory / "audit").glob("*.jsonl")
    file.write_text(file.read_text().replace('"owner"', '"nobody"', 1))
    checked = Trail(running).run("verify")
    assert checked.returncode == 1 and file.name in checked.stdout + checked.stderr
