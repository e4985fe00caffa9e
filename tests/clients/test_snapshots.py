"""Snapshots: an answer as of one that was replaced, what was added since one, and being told of the next."""

from __future__ import annotations

import hmac
import http.server
import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import gateway as gateways
import wire
from conftest import AUDIT, Session, connect_flight
from gateway import Gateway
from receipts import Dataset, decode

SETTINGS = """
[data]
refresh_seconds = 1

[snapshots]
folder = "snapshots"
"""
ADDED = [9_000_001, 9_000_002]


class Customers:
    """`customers.customer` of a gateway of its own; the analyst sees one market segment, phones masked."""

    def __init__(self, running: Gateway) -> None:
        self.running = running
        self.folder = running.directory / "mesh/domains/customers/data/customer"

    def session(self, user: str = "analyst") -> Session:
        return connect_flight(self.running, user)

    def state(self, **request: str) -> Dataset:
        """What the receipt says of an answer."""
        [dataset] = decode(self.session().info(asked(**request)).app_metadata).datasets
        return dataset

    def rows(self, user: str = "analyst", **request: str) -> pa.Table:
        return self.session(user).read(asked(**request)).sort_by("c_custkey")

    def add(self, name: str = "part-002.parquet") -> str:
        """Adds a file of two customers, of whom the analyst may see the first; answers the next snapshot's id."""
        return self.add_to(self.folder, name)

    def newest(self) -> Path:
        """The folder that was written anew last."""
        return max(self.folder.parent.glob("customer-*"))

    def add_to(self, folder: Path, name: str) -> str:
        rows = pq.read_table(self.folder / "part-001.parquet").slice(0, 2)
        for column, values in {"c_custkey": ADDED, "c_mktsegment": ["BUILDING", "MACHINERY"]}.items():
            at = rows.schema.get_field_index(column)
            rows = rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))
        return self.replace(name, rows, folder)

    def replace(self, name: str, rows: pa.Table, folder: Path | None = None) -> str:
        """Puts a file in place at once; answers the next snapshot's id."""
        before, folder = self.state().snapshot, folder or self.folder
        pq.write_table(rows, folder / f".{name}")
        (folder / f".{name}").rename(folder / name)
        self.running.wait_until(lambda: self.state().snapshot != before, "the next snapshot")
        return self.state().snapshot

    def restart(self) -> None:
        """Ends the gateway and starts it anew."""
        assert self.running.stop() == 0
        again = gateways.serve(self.running.directory / "airside.toml", self.running.directory / "again.log")
        again.directory, again.users, again.tokens = self.running.directory, self.running.users, self.running.tokens
        self.running = again


def asked(**request: str) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(wire.product_request("customers", "customer", **request))


@pytest.fixture
def settings() -> str:
    return SETTINGS


@pytest.fixture
def customers(gateway, tmp_path, settings) -> Iterator[Customers]:
    """A gateway that keeps snapshots on record, on a copy of the demo mesh."""
    directory = tmp_path / "mesh"
    shutil.copytree(gateway.directory, directory, ignore=AUDIT)
    config = directory / "airside.toml"
    config.write_text(config.read_text() + settings)
    running = gateways.serve(config, tmp_path / "gateway.log")
    running.directory, running.users, running.tokens = directory, gateway.users, gateway.tokens
    product = Customers(running)
    yield product
    product.running.stop()


def test_an_answer_is_as_of_a_snapshot_that_was_replaced(customers):
    first, rows = customers.state().snapshot, customers.rows()
    second = customers.add()
    assert customers.rows().num_rows == rows.num_rows + 1
    assert customers.rows(as_of=first) == rows
    assert customers.state(as_of=first).snapshot == first
    assert customers.rows(as_of=second) == customers.rows()


def test_what_was_added_since_is_governed_as_ever(customers):
    first = customers.state().snapshot
    second = customers.add()
    [added] = customers.rows(since=first).to_pylist()
    assert added["c_custkey"] == ADDED[0], "the other is hidden by the row filter"
    assert added == customers.rows(filter="c_custkey > 9000000").to_pylist()[0], "masks and all"
    assert customers.rows("steward", since=first)["c_custkey"].to_pylist() == ADDED
    state = customers.state(since=first)
    assert (state.snapshot, state.since, state.rows_restricted) == (second, first, True)
    for user in ("analyst", "steward"):
        nothing = customers.rows(user, since=second)
        assert nothing.num_rows == 0 and nothing.schema == customers.rows(user).schema


def test_a_ticket_reads_what_it_was_issued_for(customers):
    first = customers.state().snapshot
    customers.add()
    session = customers.session()
    whole, added = session.info(asked()), session.info(asked(since=first))
    customers.add("part-003.parquet")
    assert session.read(added).num_rows == 1
    assert session.read(whole).num_rows == customers.rows(as_of=first).num_rows + 1


def test_snapshots_outlive_the_process(customers):
    first, rows = customers.state().snapshot, customers.rows()
    ticket = customers.session().info(asked())
    customers.add()
    customers.restart()
    assert customers.rows(as_of=first) == rows
    assert customers.rows(since=first)["c_custkey"].to_pylist() == ADDED[:1]
    customers.restart()
    assert customers.session().read(ticket).num_rows == rows.num_rows


def test_what_is_gone_says_so(customers):
    first = customers.state().snapshot
    second = customers.add()
    one = pq.read_table(customers.folder / "part-001.parquet")
    customers.replace("part-001.parquet", one.slice(1))
    customers.restart()
    for gone in (first, second, "0" * 64, "../../secrets/tickets.key", "x"):
        with pytest.raises(KeyError, match="no snapshot"):
            customers.session().info(asked(as_of=gone))
        with pytest.raises(Exception, match="ask for the whole"):
            customers.session().info(asked(since=gone))
    log = customers.running.log_text()
    assert "panicked" not in log


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS.partition("[snapshots]")[0]], ids=["records", "memory"])
def test_what_was_written_anew_is_known_as_of_before(customers, settings):
    """`airside optimize --switch`: the contract names other files, of the same rows; the old ones stay."""
    first, before = customers.state().snapshot, customers.rows()
    second, rows = customers.add(), customers.rows()
    ticket = customers.session().info(asked())
    third = rewrite(customers)
    assert third != second and customers.rows() == rows

    def is_as_ever() -> None:
        assert customers.rows(as_of=first) == before
        assert customers.rows(as_of=second) == rows
        assert customers.state(as_of=second).snapshot == second
        assert customers.rows(as_of=second, since=first)["c_custkey"].to_pylist() == ADDED[:1]
        assert customers.session().read(ticket).num_rows == rows.num_rows
        # No rows twice: what was written anew is not what was added.
        for request in ({"since": second}, {"since": first}, {"as_of": second, "since": third}):
            with pytest.raises(Exception, match="ask for the whole"):
                customers.session().info(asked(**request))

    is_as_ever()
    if "[snapshots]" in settings:
        customers.restart()
        is_as_ever()
    fourth = customers.add_to(customers.newest(), "part-003.parquet")
    assert customers.rows("steward", since=third)["c_custkey"].to_pylist() == ADDED
    assert customers.state(since=third).snapshot == fourth
    for file in customers.folder.iterdir():
        file.unlink()
    for gone in (first, second):
        # Whoever comes first finds out.
        with pytest.raises((KeyError, flight.FlightUnavailableError)):
            customers.rows(as_of=gone)
        with pytest.raises(KeyError, match="no snapshot"):
            customers.session().info(asked(as_of=gone))
    assert customers.rows(as_of=third) == rows
    assert "panicked" not in customers.running.log_text()


def rewrite(customers: Customers) -> str:
    """Writes the files anew and points the contract at them; answers the next snapshot's id."""
    before = customers.state().snapshot
    config = customers.running.directory / "airside.toml"
    done = gateways.run("optimize", "customers.customer", "--switch", "--config", config, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    customers.running.wait_until(lambda: customers.state().snapshot != before, "the files written anew")
    return customers.state().snapshot


@pytest.mark.parametrize("settings", ["\n[data]\nrefresh_seconds = 3600\n"])
def test_asking_again_helps_when_files_were_replaced_or_removed(customers):
    """Nobody waits for the next look at all files: the dataset that a reader found changed is looked at at once."""
    file = customers.folder / "part-001.parquet"
    rows = pq.read_table(file)
    asked_again(customers, rows.num_rows, lambda: None)
    pq.write_table(rows.slice(1), customers.folder / ".new")
    asked_again(customers, rows.num_rows - 1, lambda: (customers.folder / ".new").rename(file))
    added = customers.folder / "part-002.parquet"
    pq.write_table(rows.slice(0, 3), customers.folder / ".new")
    asked_again(
        customers, 5, lambda: (pq.write_table(rows.slice(0, 2), added), (customers.folder / ".new").rename(file))
    )
    asked_again(customers, 3, added.unlink)


def asked_again(customers: Customers, rows: int, change: Callable[[], object]) -> None:
    """After a change the answer is whole or a refusal to ask again, and soon the new one."""
    change()
    for _ in range(30):
        try:
            assert customers.rows("steward").num_rows == rows
            return
        except flight.FlightUnavailableError as refused:
            assert "ask again" in str(refused)
            time.sleep(0.2)
    raise AssertionError("asking again did not help")


def test_a_record_that_was_tampered_with_is_no_way_in(customers):
    """Whoever can write records cannot make them name other files."""
    first = customers.state().snapshot
    customers.add()
    customers.running.stop()
    [folder] = (customers.running.directory / "snapshots").glob("customers.customer@*")
    [other] = (customers.running.directory / "snapshots").glob("sales.orders@*")
    [orders] = other.iterdir()
    (folder / f"{first}.json.zst").write_bytes(orders.read_bytes())
    (folder / orders.name).write_bytes(orders.read_bytes())
    customers.restart()
    for tampered in (first, orders.name.removesuffix(".json.zst")):
        with pytest.raises(KeyError, match="no snapshot"):
            customers.session().info(asked(as_of=tampered))


def test_a_derived_product_has_no_snapshots_of_its_own(session):
    for request in ({"as_of": "0" * 64}, {"since": "0" * 64}):
        command = wire.product_request("marketing", "customer_lifetime_value", **request)
        with pytest.raises(pa.ArrowInvalid, match="made of other datasets"):
            session("steward").info(flight.FlightDescriptor.for_command(command))


class Receiver:
    """Somebody's web server, which takes what is posted to it after it was busy once."""

    SECRET = "a secret of the two of them"

    def __init__(self) -> None:
        self.took: queue.Queue = queue.Queue()
        self.busy = True
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = 503 if receiver.busy else 204
                receiver.busy = False
                self.send_response(status)
                self.end_headers()
                receiver.took.put((status, self.headers["airside-signature"], body))

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> tuple[int, dict]:
        """The status and content of the next delivery, which is signed."""
        status, signature, body = self.took.get(timeout=20)
        moment, mac = (part.split("=")[1] for part in signature.split(","))
        expected = hmac.new(self.SECRET.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()
        assert hmac.compare_digest(mac, expected) and abs(time.time() - int(moment)) < 60
        return status, json.loads(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_a_webhook_is_told_what_its_user_may_read(customers, receiver):
    config = customers.running.directory / "airside.toml"
    (customers.running.directory / "hook").write_text(receiver.SECRET)
    url = f"http://127.0.0.1:{receiver.server.server_port}/hook"
    settings = f'\n[[webhooks]]\nurl = "{url}"\nsecret = "file:hook"\nuser = "service"\n'
    config.write_text(config.read_text() + settings)
    customers.restart()
    (busy, refused), (taken, first) = receiver.next(), receiver.next()
    assert (busy, taken) == (503, 204) and refused == first, "the same once more"
    products = {change["product"] for change in first["changes"]}
    assert "sales.orders" in products and "customers.customer" not in products
    folder = customers.running.directory / "mesh/domains/sales/data/orders"
    shutil.copy(folder / "part-001.parquet", folder / "part-009.parquet")
    [change] = receiver.next()[1]["changes"]
    assert (change["product"], change["appended"]) == ("sales.orders", True)
    assert change["previous"] in {told["snapshot"] for told in first["changes"]}


class Following:
    """A stream of changes, read as it comes."""

    def __init__(self, session: Session, **request: list[str]) -> None:
        self.told: queue.Queue = queue.Queue()
        self.session = session
        action = flight.Action("airside.changes", json.dumps(request).encode())
        self.stream = session.client.do_action(action, session.options)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for result in self.stream:
                self.told.put(json.loads(result.body.to_pybytes()))
            self.told.put(None)
        except (flight.FlightError, pa.ArrowException) as error:
            self.told.put(error)

    def next(self):
        return self.told.get(timeout=20)


def test_followers_are_told_of_each_snapshot(customers):
    following = Following(customers.session(), products=["customers.customer"])
    first = following.next()
    assert (first["product"], first["snapshot"]) == ("customers.customer", customers.state().snapshot)
    assert first["previous"] is None and not first["appended"]
    second = customers.add()
    told = following.next()
    assert (told["snapshot"], told["previous"], told["appended"]) == (second, first["snapshot"], True)
    third = customers.replace("part-002.parquet", pq.read_table(customers.folder / "part-001.parquet"))
    told = following.next()
    assert (told["snapshot"], told["previous"], told["appended"]) == (third, second, False)
    customers.running.terminate()
    assert following.next() is None, "the stream ends with the gateway, at once"
    assert customers.running.wait() == 0


def test_followers_hear_of_what_they_may_read_alone(customers):
    everything = Following(customers.session())
    told = {everything.next()["product"] for _ in range(6)}
    sales, geography = {"sales.lineitem", "sales.orders"}, {"geography.nation", "geography.region"}
    assert told == {"customers.customer", "marketing.customer_lifetime_value"} | sales | geography
    for hidden in ("supply.partsupp", "no.thing", "customers.nothing"):
        refused = Following(customers.session(), products=[hidden]).next()
        assert f"product `{hidden}` not found" in str(refused)
    derived = Following(customers.session("scientist"), products=["marketing.customer_lifetime_value"])
    first = derived.next()
    path = flight.FlightDescriptor.for_path("marketing", "customer_lifetime_value")
    [receipt] = decode(customers.session("scientist").info(path).app_metadata).datasets
    assert first["snapshot"] == receipt.snapshot
    customers.add()
    assert derived.next()["previous"] == first["snapshot"]


def test_whoever_may_not_read_any_more_hears_no_more(customers):
    following = Following(customers.session(), products=["customers.customer"])
    following.next()
    users = customers.running.directory / "users.toml"
    users.write_text(users.read_text().replace("[users.analyst]", "[users.somebody_else]"))
    ended = following.next()
    assert isinstance(ended, flight.FlightUnauthorizedError), ended
