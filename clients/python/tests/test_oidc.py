"""Tokens of a real provider: a service by its secret, a person by a code on another device."""

import os
import threading
import time

import pytest
from bearer import AUDIENCE, with_groups_claim
from provider import Provider

import airside

pytestmark = pytest.mark.skipif("AIRSIDE_OIDC_DIR" not in os.environ, reason="needs node: run `make python-client`")

CLIENTS = [
    {"id": "ada", "secret": "ada-secret", "groups": ["sales_owners"]},
    {"id": "bea", "secret": "bea secret/+%", "groups": ["sales_owners"], "auth": "client_secret_basic"},
    {"id": "notebook", "groups": ["sales_owners"]},
]
# Tokens that end within the tests: they are renewed 4 s after they were given.
TTL = 5


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    running = Provider(tmp_path_factory.mktemp("oidc"), CLIENTS, TTL=str(TTL))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusting(provider, configured):
    """A gateway that trusts the provider."""
    trust = f'\n[[authn.oidc]]\nissuer = "{provider.issuer}"\naudience = "{AUDIENCE}"\nallow_http_loopback = true\n'
    return configured(trust, principals=with_groups_claim)


def rows(trusting, token) -> int:
    with airside.connect(trusting.flight, token=token) as mesh:
        return mesh["sales.orders"].head(3).to_arrow().num_rows


@pytest.mark.parametrize(
    ("client", "secret", "method"),
    [("ada", "ada-secret", "client_secret_post"), ("bea", "bea secret/+%", "client_secret_basic")],
)
def test_a_service_signs_in_with_its_secret(trusting, provider, client, secret, method):
    token = airside.ClientCredentials(provider.issuer, client, secret, scope="query", auth_method=method)
    assert rows(trusting, token) == 3


def test_a_token_is_kept_and_renewed_before_it_ends(trusting, provider):
    token = airside.ClientCredentials(
        provider.issuer, "ada", "ada-secret", scope="query", auth_method="client_secret_post"
    )
    first = token()
    assert token() == first
    time.sleep(TTL * 0.85)
    assert token() != first
    assert rows(trusting, token) == 3


def test_a_token_that_was_refused_is_asked_for_again(trusting, provider):
    token = airside.ClientCredentials(
        provider.issuer, "ada", "ada-secret", scope="query", auth_method="client_secret_post"
    )
    token()
    # As if the provider had said it lived longer than it does.
    token._token, token._good_until = "expired", time.monotonic() + 60
    assert rows(trusting, token) == 3


def test_a_wrong_secret_is_refused_by_the_provider(trusting, provider):
    token = airside.ClientCredentials(provider.issuer, "ada", "wrong", auth_method="client_secret_post")
    with pytest.raises(airside.SignInFailed) as refusal:
        rows(trusting, token)
    assert refusal.value.reason == "invalid_client" and "wrong" not in str(refusal.value)


def test_a_provider_that_is_away(trusting):
    token = airside.ClientCredentials("http://127.0.0.1:1", "ada", "ada-secret")
    with pytest.raises(airside.Unavailable):
        token()


@pytest.mark.parametrize("issuer", ["http://idp.example.com", "ftp://127.0.0.1", "idp.example.com"])
def test_secrets_are_not_sent_in_the_clear(issuer):
    with pytest.raises(ValueError, match="https"):
        airside.ClientCredentials(issuer, "ada", "ada-secret")


# --- devices --------------------------------------------------------------------------------------


class Person:
    """Reads what is shown, and decides some time later."""

    def __init__(self, provider: Provider, **decision: str) -> None:
        self.provider, self.decision = provider, decision
        self.prompts: list[airside.DevicePrompt] = []

    def __call__(self, prompt: airside.DevicePrompt) -> None:
        self.prompts.append(prompt)
        if self.decision:
            decide = threading.Timer(0.5, self.provider.decide, [prompt.user_code], self.decision)
            decide.start()


def device(provider, person, scope="openid query offline_access") -> airside.DeviceFlow:
    return airside.DeviceFlow(provider.issuer, "notebook", scope=scope, prompt=person)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Asks more often than the provider wants to be asked."""
    monkeypatch.setattr("airside.oidc._INTERVAL", 0.2)


def test_a_person_signs_in_on_another_device(trusting, provider):
    person = Person(provider, account="grace")
    assert rows(trusting, device(provider, person)) == 3
    [prompt] = person.prompts
    assert prompt.verification_uri.startswith(provider.issuer)
    assert prompt.user_code in (prompt.verification_uri_complete or "") and prompt.expires_in > 60


def test_a_person_is_asked_once(provider):
    person = Person(provider, account="grace")
    token = device(provider, person)
    first = token()
    time.sleep(TTL * 0.85)
    assert token() != first
    token.forget()
    assert token()
    assert len(person.prompts) == 1


def test_without_a_refresh_token_a_person_is_asked_again(provider):
    person = Person(provider, account="grace")
    token = device(provider, person, scope="openid query")
    first = token()
    token.forget()
    assert token() == first
    time.sleep(TTL * 0.85)
    assert token() != first
    assert len(person.prompts) == 2


def test_a_person_refuses(provider):
    with pytest.raises(airside.SignInFailed) as refusal:
        device(provider, Person(provider, error="access_denied"))()
    assert refusal.value.reason == "access_denied"


def test_nobody_decides(provider, monkeypatch):
    issuer_post = airside.issuer.Issuer.post

    def soon(self, endpoint, form):
        answer = issuer_post(self, endpoint, form)
        return {**answer, "expires_in": 1} if "device_code" in answer else answer

    monkeypatch.setattr("airside.issuer.Issuer.post", soon)
    with pytest.raises(airside.SignInFailed) as refusal:
        device(provider, Person(provider))()
    assert refusal.value.reason == "expired_token"


def test_what_is_shown_cannot_speak_to_a_terminal(capsys):
    airside.oidc._print(airside.DevicePrompt("ABCD", "https://idp.example.com/device", None, 600))
    assert capsys.readouterr().err == "To sign in, open https://idp.example.com/device and confirm the code ABCD\n"
    assert airside.issuer.plain("a\x1b[31mb\n") == "a[31mb"
