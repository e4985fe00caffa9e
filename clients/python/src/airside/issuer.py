"""What is asked of an OpenID provider: where its endpoints are, and tokens."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import urllib.error
import urllib.request
from typing import IO, Any, Literal
from urllib.parse import quote_plus, urlencode, urlsplit

from airside.errors import Unauthenticated, Unavailable

AuthMethod = Literal["client_secret_basic", "client_secret_post", "none"]

_LARGEST = 1 << 20


class SignInFailed(Unauthenticated):
    """The provider gave no token."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """The provider's code, such as `invalid_client` or `access_denied`; empty if it gave none."""


class Issuer:
    """A provider, and a client that is registered there."""

    def __init__(
        self, url: str, client: str, secret: str | None = None, *, method: AuthMethod, timeout: float = 30.0
    ) -> None:
        _check(url, "the issuer")
        self._url = url.rstrip("/")
        self._client, self._secret = client, secret
        self._method = method
        self._timeout = timeout
        self._known: dict[str, Any] | None = None

    def post(self, endpoint: str, form: dict[str, str | None]) -> dict[str, Any]:
        """Asks one of the provider's endpoints, by its name in the discovery document.

        Raises `SignInFailed` for what it refuses and `Unavailable` if it does not answer.
        """
        address = self._discovered().get(endpoint)
        if not isinstance(address, str):
            raise SignInFailed(f"the provider `{self._url}` names no `{endpoint}`")
        _check(address, f"the provider's `{endpoint}`")
        fields = {name: value for name, value in form.items() if value is not None}
        headers = {"Accept": "application/json"}
        if self._method == "client_secret_basic" and self._secret is not None:
            pair = f"{quote_plus(self._client)}:{quote_plus(self._secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            fields["client_id"] = self._client
            if self._method == "client_secret_post" and self._secret is not None:
                fields["client_secret"] = self._secret
        return self._exchange(urllib.request.Request(address, urlencode(fields).encode(), headers))

    def _discovered(self) -> dict[str, Any]:
        if self._known is None:
            found = self._exchange(urllib.request.Request(self._url + "/.well-known/openid-configuration"))
            # Else one provider could pass for another.
            if str(found.get("issuer", "")).rstrip("/") != self._url:
                raise SignInFailed(f"the provider at `{self._url}` says that it is another one")
            self._known = found
        return self._known

    def _exchange(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with _OPENER.open(request, timeout=self._timeout) as answer:
                return _json(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the provider `{self._url}` cannot be reached: {error}") from None

    def _refused(self, error: urllib.error.HTTPError) -> Unauthenticated | Unavailable:
        if error.code >= 500 or error.code == 429:
            return Unavailable(f"the provider `{self._url}` answered with {error.code}")
        try:
            told = _json(error)
        except SignInFailed:
            told = {}
        reason = plain(told.get("error"))
        words = plain(told.get("error_description")) or f"status {error.code}"
        return SignInFailed(f"the provider refused to sign in: {reason}: {words}".replace(": :", ":"), reason)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A secret goes nowhere but where it was sent."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _json(answer: Any) -> dict[str, Any]:
    text = answer.read(_LARGEST + 1)
    try:
        found = json.loads(text) if len(text) <= _LARGEST else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SignInFailed("the provider's answer cannot be read")
    return found


def plain(value: object) -> str:
    """A provider's words, without what would speak to a terminal."""
    return "".join(c for c in value if c.isprintable())[:500] if isinstance(value, str) else ""


def _check(url: str, what: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname:
        try:
            if parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname).is_loopback:
                return
        except ValueError:
            pass
    raise ValueError(f"{what} has an address that is not https")
