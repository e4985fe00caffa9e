"""TLS and client certificates, with pyarrow and ADBC on the other end."""

import ssl
import urllib.request

import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions
from pyarrow.flight import FlightDescriptor

from certificates import Authority
from conftest import LORRY, Session, connect_adbc, connect_flight

ORDERS = FlightDescriptor.for_command(b"SELECT count(*) AS n FROM sales.orders")


def rows(session: Session) -> int:
    return session.read(ORDERS)["n"][0].as_py()


def test_the_ready_line_says_tls(secured):
    assert secured.flight.startswith("grpc+tls://") and secured.http.startswith("https://")


def test_pyarrow_over_tls(secured, authority):
    session = connect_flight(secured, "owner", tls_root_certs=authority.pem)
    assert rows(session) > 0


def test_adbc_over_tls(secured, authority):
    roots = {DatabaseOptions.TLS_ROOT_CERTS.value: authority.pem.decode()}
    with connect_adbc(secured, "owner", **roots) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sales.orders")
        assert cursor.fetchone()[0] > 0


def test_http_pages_over_tls(secured, authority):
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with urllib.request.urlopen(secured.http + "/healthz", timeout=10, context=context) as answer:
        assert answer.status == 200


def test_plaintext_is_not_served(secured):
    client = flight.FlightClient("grpc://" + secured.address)
    with pytest.raises(flight.FlightError):  # which one depends on how far the handshake got
        client.authenticate_basic_token("owner", "x", flight.FlightCallOptions(timeout=10))


def test_a_client_that_trusts_another_authority_leaves(secured):
    with pytest.raises(flight.FlightError):  # which one depends on how far the handshake got
        connect_flight(secured, "owner", tls_root_certs=Authority("another").pem)


def with_certificate(secured, authority: Authority, issuer: Authority, uri: str) -> Session:
    issued = issuer.client(uri)
    client = flight.FlightClient(
        secured.flight, tls_root_certs=authority.pem, cert_chain=issued.certificate, private_key=issued.key
    )
    return Session(client, (b"x-test", b"no credentials"))


def test_a_certificate_names_its_bearer(secured, authority, files):
    session = with_certificate(secured, authority, authority, LORRY)
    assert [rows(session)] == files.values("SELECT count(*) FROM sales.orders")


def test_a_certificate_of_a_name_that_is_not_listed_is_nobody(secured, authority):
    session = with_certificate(secured, authority, authority, "spiffe://mesh.test/somebody")
    with pytest.raises(flight.FlightUnauthenticatedError):
        rows(session)


def test_a_certificate_of_another_authority_is_refused(secured, authority):
    session = with_certificate(secured, authority, Authority("another"), LORRY)
    with pytest.raises((flight.FlightUnavailableError, flight.FlightUnauthenticatedError)):
        rows(session)


def test_without_certificate_and_credentials_nobody_gets_in(secured, authority):
    client = flight.FlightClient(secured.flight, tls_root_certs=authority.pem)
    with pytest.raises(flight.FlightUnauthenticatedError):
        rows(Session(client, (b"x-test", b"no credentials")))
