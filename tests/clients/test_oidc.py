"""Bearer tokens of a real, certified OpenID provider (npm `oidc-provider`)."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from grpc import StatusCode

from bearer import AUDIENCE, ask, with_groups_claim
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


class Provider:
    """The provider process."""

    def __init__(self, folder: Path) -> None:
        home = Path(os.environ["AIRSIDE_OIDC_DIR"])
        # Node resolves packages beside the script that imports them.
        script = shutil.copy(Path(__file__).parent.parent / "oidc" / "server.mjs", home / "server.mjs")
        log = folder / "provider.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["node", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PORT": "0", "AUDIENCE": AUDIENCE, "CLIENTS": json.dumps(CLIENTS)},
            )
        end = time.monotonic() + 30
        while not (ready := re.search(r"^ready (\S+)$", log.read_text(), re.MULTILINE)):
            assert time.monotonic() < end and self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        self.issuer = ready[1]

    def token(self, client: str, **parameters: str) -> str:
        """An access token, as the provider gives it to a client for its secret."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"{client}-secret"}
        body = urllib.parse.urlencode({**form, "scope": "query", **parameters}).encode()
        with urllib.request.urlopen(f"{self.issuer}/token", body, timeout=20) as answer:
            return json.load(answer)["access_token"]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    running = Provider(tmp_path_factory.mktemp("oidc"))
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
