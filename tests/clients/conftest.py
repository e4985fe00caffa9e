"""One gateway on a freshly generated demo mesh for the whole session, and clients of every kind.

Tests that change a mesh, its configuration or the process take a private gateway instead.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions

import everything as every_type
import gateway as gateways
import hostile
import stores
from certificates import Authority
from gateway import Gateway
from mesh_files import MeshFiles
from wire import Raw

# A copy of a folder goes on with its mesh and its keys, not with what is on record of the original, nor with tokens
# that were made there.
AUDIT = shutil.ignore_patterns("audit", "personal-tokens")
# Whom a client certificate names to a gateway with TLS.
LORRY = "spiffe://mesh.test/lorry"


@dataclass
class Session:
    """A pyarrow client with the bearer token that its handshake returned."""

    client: flight.FlightClient
    header: tuple[bytes, bytes]

    @property
    def options(self) -> flight.FlightCallOptions:
        return flight.FlightCallOptions(timeout=60, headers=[self.header])

    def info(self, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        return self.client.get_flight_info(descriptor, self.options)

    def read(self, descriptor: flight.FlightDescriptor | flight.FlightInfo) -> pa.Table:
        """All rows of all endpoints."""
        info = descriptor if isinstance(descriptor, flight.FlightInfo) else self.info(descriptor)
        parts = [self.client.do_get(endpoint.ticket, self.options).read_all() for endpoint in info.endpoints]
        return pa.concat_tables(parts)

    def sql(self, sql: str) -> pa.Table:
        """The rows of a SQL command: the text as it is, as a descriptor's command."""
        return self.read(flight.FlightDescriptor.for_command(sql.encode()))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The shared gateway. Read only: no test may change its mesh."""
    directory = tmp_path_factory.mktemp("demo")
    running = gateways.demo(directory / "mesh", directory / "gateway.log")
    yield running
    code = running.stop()
    assert code == 0, f"the gateway drained with exit code {code}\n{running.tail()}"
    assert "panicked" not in running.log_text(), running.tail(200)


@pytest.fixture
def private(gateway: Gateway, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways on copies of the demo mesh that a test may change: `private()`, `private(env=…)`."""
    started: list[Gateway] = []

    def start(**options) -> Gateway:
        directory = tmp_path / f"demo{len(started)}"
        shutil.copytree(gateway.directory, directory, ignore=AUDIT)
        running = gateways.demo(directory, tmp_path / f"gateway{len(started)}.log", **options)
        started.append(running)
        return running

    yield start
    for running in started:
        running.kill()


@pytest.fixture(scope="module")
def configured(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways on the demo mesh with more configuration, and with another `principals.toml`."""
    started: list[Gateway] = []

    def start(settings: str, principals: Callable[[str], str] = str, **options) -> Gateway:
        directory = tmp_path_factory.mktemp("configured")
        shutil.copytree(gateway.directory, directory, dirs_exist_ok=True, ignore=AUDIT)
        config = directory / "airside.toml"
        config.write_text(config.read_text() + settings)
        file = directory / "mesh/governance/principals.toml"
        file.write_text(principals(file.read_text()))
        running = gateways.serve(config, directory / "gateway.log", **options)
        running.users, running.tokens = gateway.users, gateway.tokens
        started.append(running)
        return running

    yield start
    for running in started:
        assert running.stop() == 0, running.tail()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the mesh's authority")


@pytest.fixture(scope="module")
def secured(configured, authority, tmp_path_factory):
    """A gateway with TLS that asks clients for certificates, without insisting."""
    folder = tmp_path_factory.mktemp("tls")
    server = authority.server()
    for name, pem in (("server.pem", server.certificate), ("server.key", server.key), ("ca.pem", authority.pem)):
        (folder / name).write_bytes(pem)
    return configured(
        f"""
[tls]
certificate = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"

[authn.mtls]
san = "uri"
names = {{ "{LORRY}" = "lorry" }}
""",
        principals=lambda text: f'{text}\n[entitlements.lorry]\ngroups = ["sales_owners"]\n',
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> Iterator[Gateway]:
    """A gateway on a product of every type."""
    directory = tmp_path_factory.mktemp("everything")
    running = gateways.serve(every_type.write(directory), directory / "gateway.log")
    running.tokens = {every_type.READER: hostile.token(every_type.READER)}
    yield running
    assert running.stop() == 0, running.tail()


@dataclass
class Vault:
    """A gateway on the mesh that is made to be attacked."""

    gateway: Gateway
    sweep: hostile.Sweep

    def client(self, name: str | None = "reader", *headers: tuple[str, str]) -> Raw:
        """A client of undecoded messages as one of its principals, or as nobody."""
        if name is None:
            return Raw.connect(self.gateway.address, *headers)
        return Raw.connect(self.gateway.address, ("authorization", f"Bearer {hostile.token(name)}"), *headers)


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """One gateway on the hostile mesh for the whole session. What it logged at INFO is swept as well."""
    directory = tmp_path_factory.mktemp("vault")
    running = gateways.serve(hostile.write(directory), directory / "gateway.log")
    yield Vault(running, hostile.Sweep(directory))
    assert running.stop() == 0, running.tail()
    assert "panicked" not in running.log_text(), running.tail(200)


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stores.Store]:
    """One real S3 store for the whole session: each test has a prefix of its own."""
    with stores.ceph(tmp_path_factory.mktemp("ceph") / "store") as store:
        yield store


@pytest.fixture(scope="session")
def files(gateway: Gateway) -> MeshFiles:
    """The demo mesh's files, read without the gateway."""
    return MeshFiles(gateway.directory)


@pytest.fixture(scope="session")
def connect(gateway: Gateway) -> Iterator[Callable[[str], adbc.Connection]]:
    """An ADBC connection as a demo user, kept for the session."""
    connections: dict[str, adbc.Connection] = {}

    def connection(user: str) -> adbc.Connection:
        if user not in connections:
            connections[user] = connect_adbc(gateway, user)
        return connections[user]

    yield connection
    for each in connections.values():
        each.close()


@pytest.fixture(scope="session")
def query(connect) -> Callable:
    """`query(user, sql)`: the table that ADBC answers to a demo user."""

    def ask(user: str, sql: str, parameters=None):
        with connect(user).cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetch_arrow_table()

    return ask


@pytest.fixture(scope="session")
def session(gateway: Gateway) -> Callable[[str], Session]:
    """A pyarrow session of a demo user, kept for the whole run."""
    return functools.cache(lambda user: connect_flight(gateway, user))


@pytest.fixture(scope="session")
def raw(gateway: Gateway, session) -> Callable[..., Raw]:
    """A client of undecoded messages as a demo user, or as nobody at all with `raw(None)`."""

    def client(user: str | None, *headers: tuple[str, str]) -> Raw:
        if user is None:
            return Raw.connect(gateway.address, *headers)
        return Raw.connect(gateway.address, session(user).header, *headers)

    return client


def connect_adbc(running: Gateway, user: str, **options: str) -> adbc.Connection:
    """ADBC, as its documentation says to connect: by password, or a service by its token."""
    if token := running.tokens.get(user):
        header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
        return adbc.connect(running.flight, db_kwargs={**header, **options}, autocommit=True)
    known = running.users[user]
    credentials = {"username": known.name, "password": known.password}
    return adbc.connect(running.flight, db_kwargs={**credentials, **options}, autocommit=True)


def connect_flight(running: Gateway, user: str, at: str | None = None, **options) -> Session:
    """pyarrow.flight, after the basic handshake; a service shows its token."""
    client = flight.FlightClient(at or running.flight, **options)
    if token := running.tokens.get(user):
        return Session(client, (b"authorization", f"Bearer {token}".encode()))
    known = running.users[user]
    return Session(client, client.authenticate_basic_token(known.name, known.password))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failure shows what the gateway logged last."""
    report = (yield).get_result()
    if report.failed:
        for name in ("gateway", "private", "vault"):
            running = item.funcargs.get(name) if hasattr(item, "funcargs") else None
            running = running.gateway if isinstance(running, Vault) else running
            if isinstance(running, Gateway):
                report.sections.append(("gateway log", running.tail()))
