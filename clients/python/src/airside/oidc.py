"""Tokens of an OpenID provider, for services and for people; renewed before they end.

Both classes are given to `connect` as its `token`.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airside.errors import Unavailable
from airside.issuer import AuthMethod, Issuer, SignInFailed, plain

__all__ = ["ClientCredentials", "DeviceFlow", "DevicePrompt", "SignInFailed"]

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

# How often a provider is asked that does not say how often it wants to be.
_INTERVAL = 5.0

# A token that the provider says nothing of is taken for good that long.
_UNSAID = 300.0


class _Renewed(ABC):
    """A token that is asked for again before it ends. May be called by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._good_until = 0.0

    def __call__(self) -> str:
        """A token that is good for some time yet."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._good_until:
                self._keep(self._obtain())
            assert self._token is not None
            return self._token

    def forget(self) -> None:
        """The token was refused: the next call asks for another one."""
        with self._lock:
            self._token = None

    @abstractmethod
    def _obtain(self) -> dict[str, Any]:
        """The provider's answer to a request for a token."""

    def _keep(self, answer: dict[str, Any]) -> None:
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise SignInFailed("the provider's answer holds no token")
        said = answer.get("expires_in")
        lifetime = float(said) if isinstance(said, (int, float)) and said > 0 else _UNSAID
        self._token = token
        # A call takes a while, and clocks of machines differ.
        self._good_until = time.monotonic() + lifetime - min(60.0, lifetime / 5)


class ClientCredentials(_Renewed):
    """Signs a service in with the id and the secret that the provider gave it."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str | None = None,
        audience: str | None = None,
        resource: str | None = None,
        auth_method: AuthMethod = "client_secret_basic",
    ) -> None:
        """`scope`, `audience` and `resource` say which tokens are wanted; providers differ in which of them they heed.

        `auth_method` is how the client is registered: with its secret in a header or in the form.
        """
        super().__init__()
        self._issuer = Issuer(issuer, client_id, client_secret, method=auth_method)
        self._wanted = {"scope": scope, "audience": audience, "resource": resource}

    def _obtain(self) -> dict[str, Any]:
        return self._issuer.post("token_endpoint", {"grant_type": "client_credentials", **self._wanted})


@dataclass(frozen=True)
class DevicePrompt:
    """What a person is asked to do: open the address in any browser, and type the code there."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    """The address with the code in it, as for a QR code; None if the provider has none."""
    expires_in: float
    """How many seconds the person has."""


class DeviceFlow(_Renewed):
    """Signs a person in by a browser that may be on another machine (RFC 8628), as from a notebook or over SSH."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        scope: str = "openid",
        audience: str | None = None,
        resource: str | None = None,
        prompt: Callable[[DevicePrompt], None] | None = None,
    ) -> None:
        """`prompt` shows the person what to do; by default it is written to standard error.

        With `offline_access` in `scope` many providers give a token to renew with, and nobody is asked again.
        """
        super().__init__()
        method: AuthMethod = "client_secret_post" if client_secret else "none"
        self._issuer = Issuer(issuer, client_id, client_secret, method=method)
        self._wanted = {"audience": audience, "resource": resource}
        self._scope = scope
        self._prompt = prompt or _print
        self._refresh: str | None = None

    def forget(self) -> None:
        """As of any token; but a person is not asked twice for one that the gateway does not accept."""
        if self._refresh is not None:
            super().forget()

    def _obtain(self) -> dict[str, Any]:
        if self._refresh is not None:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh, **self._wanted}
            try:
                return self._issuer.post("token_endpoint", form)
            except SignInFailed as failure:
                if failure.reason != "invalid_grant":
                    raise
                self._refresh = None
        return self._ask()

    def _keep(self, answer: dict[str, Any]) -> None:
        super()._keep(answer)
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str):
            self._refresh = renewed

    def _ask(self) -> dict[str, Any]:
        started = self._issuer.post("device_authorization_endpoint", {"scope": self._scope, **self._wanted})
        code, user_code, uri = (started.get(name) for name in ("device_code", "user_code", "verification_uri"))
        if not (isinstance(code, str) and isinstance(user_code, str) and isinstance(uri, str)):
            raise SignInFailed("the provider's answer holds no code")
        lifetime = _seconds(started.get("expires_in"), 600.0)
        complete = plain(started.get("verification_uri_complete")) or None
        self._prompt(DevicePrompt(plain(user_code), plain(uri), complete, lifetime))
        return self._poll(code, _seconds(started.get("interval"), _INTERVAL), time.monotonic() + lifetime)

    def _poll(self, code: str, interval: float, end: float) -> dict[str, Any]:
        form = {"grant_type": _DEVICE_GRANT, "device_code": code, "resource": self._wanted["resource"]}
        while time.monotonic() + interval < end:
            time.sleep(interval)
            try:
                return self._issuer.post("token_endpoint", form)
            except Unavailable:
                interval *= 2
            except SignInFailed as failure:
                if failure.reason == "slow_down":
                    interval += 5
                elif failure.reason != "authorization_pending":
                    raise
        raise SignInFailed("nobody confirmed the code in time", "expired_token")


def _print(prompt: DevicePrompt) -> None:
    where = prompt.verification_uri_complete or prompt.verification_uri
    print(f"To sign in, open {where} and confirm the code {prompt.user_code}", file=sys.stderr, flush=True)


def _seconds(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, (int, float)) and value > 0 else otherwise
