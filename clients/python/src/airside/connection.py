"""The connection to a gateway: headers, signing in, repeating what may be repeated, and one gRPC channel a worker."""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow.flight as flight

from airside.credentials import Credentials, Header
from airside.errors import AirsideError, Outdated, Unauthenticated, Unavailable, translated
from airside.retry import Retry
from airside.version import __version__

T = TypeVar("T")

Pem = str | bytes

# A location that stands for the connection one already has.
_HERE = "arrow-flight-reuse-connection://"

_PURPOSE = re.compile(r"[\x21-\x7e]+")

_CHANNEL: list[tuple[str, str | int]] = [
    ("grpc.primary_user_agent", f"airside-python/{__version__}"),
    # Each client has a connection of its own; otherwise several workers would share one.
    ("grpc.use_local_subchannel_pool", 1),
    # A gateway that was away for a moment is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A peer that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


@dataclass(frozen=True)
class Tls:
    """How the gateway is known to be the gateway, and the client certificate to be known by."""

    roots: Pem | None = None
    """The authorities to trust, in PEM; the system's if there are none."""
    certificate: Pem | None = None
    """The client's certificate with its chain, in PEM."""
    key: Pem | None = None
    """The key of that certificate, in PEM."""
    name: str | None = None
    """The name that the gateway's certificate must have, if it is not the host's."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client certificate and its key belong together")

    def options(self) -> dict[str, Pem]:
        """As pyarrow calls them."""
        named = {
            "tls_root_certs": self.roots,
            "cert_chain": self.certificate,
            "private_key": self.key,
            "override_hostname": self.name,
        }
        return {name: value for name, value in named.items() if value is not None}


class Connection:
    """Makes calls as one principal. May be used by several threads."""

    def __init__(
        self,
        location: str,
        credentials: Credentials,
        *,
        tls: Tls,
        timeout: float | None,
        retry: Retry,
        insecure: bool,
    ) -> None:
        check_location(location, insecure)
        self.location = location
        self.retry = retry
        self._credentials = credentials
        self._tls = tls
        self._timeout = timeout
        self._insecure = insecure
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, int], flight.FlightClient] = {}
        self._closed = False

    def call(
        self,
        act: Callable[[flight.FlightClient, flight.FlightCallOptions], T],
        purpose: str | None = None,
        headers: Iterable[Header] = (),
    ) -> T:
        """Makes a call that may be made twice: again after UNAVAILABLE, and once after signing in again."""
        extra = list(headers)
        signed_in_again = False
        pauses = chain(self.retry.pauses(), [None])
        while True:
            header: Header | None = None
            try:
                client = self.client()
                header = self._credentials.header(client)
                with translated():
                    return act(client, self._options(header, purpose, extra, self._timeout))
            except AirsideError as error:
                failure = error
            if isinstance(failure, Unauthenticated) and header is not None and not signed_in_again:
                signed_in_again = True
                if self._credentials.refused(header):
                    continue
            pause = next(pauses) if repeatable(failure) else None
            if pause is None:
                raise failure
            time.sleep(pause)

    def follow(self, action: flight.Action, purpose: str | None) -> Iterator[bytes]:
        """What an action tells, until it ends or is to be asked for anew."""
        header: Header | None = None
        try:
            client = self.client()
            header = self._credentials.header(client)
            with translated():
                for told in client.do_action(action, self._options(header, purpose, [], None)):
                    yield told.body.to_pybytes()
        except Unavailable:
            return
        except Unauthenticated:
            if header is None or not self._credentials.refused(header):
                raise

    @contextmanager
    def open(
        self, endpoint: flight.FlightEndpoint, purpose: str | None, worker: int, turn: int
    ) -> Generator[flight.FlightStreamReader, None, None]:
        """Reads an endpoint, once: whether and when to try again is the caller's to decide.

        Of several places `turn` chooses one, so that workers spread over them and a second try goes elsewhere.
        """
        header: Header | None = None
        try:
            header = self._credentials.header(self.client())
            client = self.client(self._place(endpoint, turn), worker)
            with translated():
                yield client.do_get(endpoint.ticket, self._options(header, purpose, [], None))
        except Unauthenticated:
            self._credentials.refused(header)
            raise

    def client(self, location: str | None = None, worker: int = 0) -> flight.FlightClient:
        """The client of a worker; worker 0 is whoever calls."""
        key = (location or self.location, worker)
        with self._lock:
            if self._closed:
                raise ValueError("the connection is closed")
            if key not in self._clients:
                tls = self._tls.options() if _encrypted(key[0]) else {}
                self._clients[key] = flight.FlightClient(key[0], generic_options=_CHANNEL, **tls)
            return self._clients[key]

    def close(self) -> None:
        """Ends it; what is still read from it fails."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _place(self, endpoint: flight.FlightEndpoint, turn: int) -> str | None:
        """Where an endpoint is read: here, unless it names places and none of them means here."""
        places = [location.uri.decode() for location in endpoint.locations]
        if not places or any(place.startswith(_HERE) for place in places):
            return None
        # Credentials go along, so what was encrypted stays encrypted.
        safe = [place for place in places if _encrypted(place) or not _encrypted(self.location)]
        if not safe:
            raise Unavailable("the rows are at places to which the connection would not be encrypted")
        place: str = safe[turn % len(safe)]
        check_location(place, self._insecure)
        return place

    def _options(
        self, header: Header | None, purpose: str | None, extra: Sequence[Header], timeout: float | None
    ) -> flight.FlightCallOptions:
        headers = [] if header is None else [header]
        if purpose:
            headers.append((b"airside-purpose", purpose.encode()))
        return flight.FlightCallOptions(timeout=timeout, headers=[*headers, *extra])


def repeatable(failure: AirsideError) -> bool:
    """Whether the very same call may be answered another time."""
    return isinstance(failure, Unavailable) and not isinstance(failure, Outdated)


def check_purpose(purpose: str | None) -> str | None:
    """A purpose that can be sent; the gateway says which there are."""
    if purpose is not None and purpose and not _PURPOSE.fullmatch(purpose):
        raise ValueError("a purpose is a word of printable ASCII characters")
    return purpose or None


def check_location(location: str, insecure: bool) -> None:
    """Refuses to send credentials in the clear beyond this machine."""
    parts = urlsplit(location)
    if parts.scheme not in ("grpc", "grpc+tcp", "grpc+tls") or not parts.hostname:
        raise ValueError("a location is `grpc+tls://HOST:PORT`, or `grpc://HOST:PORT` on this machine")
    if not _encrypted(location) and not insecure and not _loopback(parts.hostname):
        raise ValueError(
            f"credentials and rows would cross the network to `{parts.hostname}` unencrypted: "
            "use grpc+tls://, or pass insecure=True where the network itself is trusted"
        )


def _encrypted(location: str) -> bool:
    return location.startswith("grpc+tls://")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
