"""Products that ask for a purpose, through the front door."""

import re
from pathlib import Path

import pyarrow.flight as flight
import pytest
from grpc import StatusCode

import wire
from conftest import connect_flight

ORDERS = wire.descriptor_path("sales", "orders")
LIFETIME_VALUE = wire.descriptor_path("marketing", "customer_lifetime_value")
ASKS = "  - {property: airside.purposes, value: [audit, analytics]}\n"


@pytest.fixture(scope="module")
def asking(configured, gateway):
    """A gateway whose `sales.orders` asks for a purpose."""
    running = configured("")
    contract = Path(running.directory) / "mesh/domains/sales/products/orders.odcs.yaml"
    contract.write_text(contract.read_text() + ASKS)
    token = connect_flight(running, "analyst").header
    before = version(running)
    running.wait_until(lambda: version(running) != before, "the mesh is taken over")
    return running, token


def version(running) -> str:
    return re.search(r"mesh version (\w+)", running.get("/readyz")[1])[1]


@pytest.fixture
def client(asking):
    running, token = asking

    def connect(purpose: str | None):
        headers = [("airside-purpose", purpose)] if purpose else []
        return wire.Raw.connect(running.address, token, *headers)

    return connect


QUESTIONS = {
    "path": ORDERS,
    "statement": wire.statement("SELECT o_orderkey FROM sales.orders"),
    "derived": LIFETIME_VALUE,
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("purpose", [None, "marketing"])
def test_without_an_accepted_purpose_it_is_refused_and_says_which(purpose, question, client):
    for call in (client(purpose).info, lambda question: client(purpose).unary("GetSchema", question)):
        with pytest.raises(wire.Refused) as refusal:
            call(question)
        assert refusal.value.code is StatusCode.PERMISSION_DENIED
        assert "asks for a purpose: state one of `analytics`, `audit` in the header `airside-purpose`" in str(
            refusal.value
        )


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_with_one_it_is_read(question, client):
    assert client("analytics").read(question)


def test_the_derived_product_is_named_not_its_source(client):
    with pytest.raises(wire.Refused) as refusal:
        client(None).info(LIFETIME_VALUE)
    assert "marketing.customer_lifetime_value" in str(refusal.value)
    assert "orders" not in str(refusal.value)


def test_a_ticket_keeps_its_purpose(client):
    ticket = client("audit").info(ORDERS).endpoints[0].ticket.serialize()
    with pytest.raises(wire.Refused) as refusal:
        client("marketing").stream("DoGet", ticket)
    assert refusal.value.code is StatusCode.PERMISSION_DENIED


def test_it_is_listed_without_its_columns(client):
    def listed(purpose):
        found = client(purpose).stream("ListFlights", b"")
        infos = [flight.FlightInfo.deserialize(info) for info in found]
        [orders] = [info for info in infos if info.descriptor.path == [b"sales", b"orders"]]
        return orders

    assert listed(None).schema.names == [] and not listed(None).endpoints
    assert "o_orderkey" in listed("audit").schema.names


def test_who_may_not_know_of_it_is_told_nothing(asking):
    running, _ = asking
    scientist = wire.Raw.connect(running.address, connect_flight(running, "scientist").header)
    with pytest.raises(wire.Refused) as refusal:
        scientist.info(ORDERS)
    assert refusal.value.code is StatusCode.NOT_FOUND and "purpose" not in str(refusal.value)
