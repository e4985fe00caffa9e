"""Who the client says it is: a name and a password, a token, or something that makes tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Protocol

import pyarrow.flight as flight

from airside.errors import Unauthenticated, translated

Token = str | Callable[[], str]
"""A bearer token, or what gives one whenever it is asked. If that has a method `forget()`, it is called when the
gateway refuses the token, and then asked once more."""

Header = tuple[bytes, bytes]

_VISIBLE = re.compile(r"[\x21-\x7e]+")


class Credentials(Protocol):
    """Gives the header that a call is signed in with."""

    def header(self, client: flight.FlightClient) -> Header | None:
        """The header to send; None if the client's certificate says it all."""

    def refused(self, header: Header | None) -> bool:
        """The gateway did not accept that header: whether it is worth asking for another one."""


def credentials(user: str | None, password: str | None, token: Token | None, timeout: float | None) -> Credentials:
    """The one kind of credentials that these are."""
    if token is not None and (user is not None or password is not None):
        raise ValueError("either a token or a user with a password, not both")
    if (user is None) != (password is None):
        raise ValueError("a user and a password belong together")
    if user is not None and password is not None:
        return Password(user, password, timeout)
    return Anonymous() if token is None else Bearer(token)


class Anonymous:
    """Nothing but a client certificate, if there is one."""

    def header(self, client: flight.FlightClient) -> Header | None:
        return None

    def refused(self, header: Header | None) -> bool:
        return False


class Bearer:
    """A token of the caller's."""

    def __init__(self, token: Token) -> None:
        self._token = token
        if isinstance(token, str):
            _bearer(token)

    def header(self, client: flight.FlightClient) -> Header | None:
        return _bearer(self._token if isinstance(self._token, str) else self._token())

    def refused(self, header: Header | None) -> bool:
        forget = getattr(self._token, "forget", None)
        if forget is None:
            return False
        forget()
        return True


class Password:
    """A name and a password, for which the gateway gives a token that ends some time."""

    def __init__(self, user: str, password: str, timeout: float | None) -> None:
        self._user, self._password = user, password
        self._timeout = timeout
        self._header: Header | None = None
        self._lock = threading.Lock()

    def header(self, client: flight.FlightClient) -> Header | None:
        with self._lock:
            if self._header is None:
                options = flight.FlightCallOptions(timeout=self._timeout)
                with translated():
                    self._header = client.authenticate_basic_token(self._user, self._password, options)
            return self._header

    def refused(self, header: Header | None) -> bool:
        with self._lock:
            # Another call may have signed in again already.
            if self._header == header:
                self._header = None
            return header is not None


def _bearer(token: str) -> Header:
    if not isinstance(token, str) or not _VISIBLE.fullmatch(token):
        raise Unauthenticated("the token is empty or has characters that no token has")
    return b"authorization", b"Bearer " + token.encode()
