"""Bearer tokens of a real, certified OpenID provider (npm `oidc-provider`)."""

import os

import pytest
from grpc import StatusCode

from bearer import AUDIENCE, ask, with_groups_claim
from provider import Provider
from wire import Raw, Refused

pytestmark = pytest.mark.skipif("AIRSIDE_OIDC_DIR" not in os.environ, reason="needs node: run `make clients`")

CLIENTS = [
    {"id": "ada", "secret": "ada-secret", "groups": ["sales_owners"]},
    {"id": "noor", "secret": "noor-secret", "groups": ["guests"]},
    # Entra says with this claim that the groups are too many to list.
    {"id": "overfull", "secret": "overfull-secret", "claims": {"_claim_names": {"groups": "src1"}}},
    {"id": "groupless", "secret": "groupless-secret"},
    {"id": "unknown", "secret": "unknown-secret", "groups": ["no_such_group"]},
    {"id": "steward", "secret": "steward-secret", "groups": ["stewards"]},
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    running = Provider(tmp_path_factory.mktemp("oidc"), CLIENTS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusting(configured, provider):
    """A gateway that trusts the provider."""
    return configured(
        f"""
[[authn.oidc]]
issuer = "{provider.issuer}"
audience = "{AUDIENCE}"
allow_http_loopback = true
""",
        principals=with_groups_claim,
    )


def test_a_token_of_the_provider_signs_in(trusting, provider):
    assert isinstance(ask(trusting, provider.token("ada")), bytes)


def test_its_groups_decide(trusting, provider):
    for client in ("noor", "unknown"):
        refusal = ask(trusting, provider.token(client))
        assert isinstance(refusal, Refused) and refusal.code is StatusCode.NOT_FOUND, refusal


def test_an_incomplete_group_list_is_refused_with_a_hint(trusting, provider):
    for client in ("overfull", "groupless"):
        refusal = ask(trusting, provider.token(client))
        assert isinstance(refusal, Refused) and refusal.code is StatusCode.UNAUTHENTICATED, refusal
        assert "group" in refusal.message


def test_a_session_may_be_had_for_a_token(trusting, provider):
    """As ODBC does: a handshake with the bearer token and nothing else."""
    client = Raw.connect(trusting.address, ("authorization", f"Bearer {provider.token('ada')}"))
    client.both("Handshake", [b""])


def test_a_token_for_another_audience_is_refused(trusting, provider):
    refusal = ask(trusting, provider.token("ada", resource="urn:another"))
    assert isinstance(refusal, Refused) and refusal.code is StatusCode.UNAUTHENTICATED, refusal


def test_a_local_name_is_not_for_the_provider_to_give(trusting, provider):
    """Another issuer's `steward` is not the users file's."""
    refusal = ask(trusting, provider.token("steward"))
    assert isinstance(refusal, Refused) and refusal.code is StatusCode.UNAUTHENTICATED, refusal
