"""`identity = true`: the gateway shows a store who its machine, task or pod is, as the clouds' services tell it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.flight as flight
import pytest

import identities
import lake
import stores
from identities import Accounts, Handed, Issuer, Service
from lake import Lake
from stores import Store
from test_store_faults import MEANS, assert_clean, at_home, home
from test_stores import everything, needs_stores

pytestmark = [needs_stores, pytest.mark.timeout(180)]

# Keys lie about in many an environment; only who is named in the configuration is shown.
DECOYS = {"AWS_ACCESS_KEY_ID": "somebody-else", "AWS_SECRET_ACCESS_KEY": "somebody-else-secret"}
SOON = datetime.timedelta(minutes=2)
# Files of their own: nobody waits for another's footers.
OTHERS = [f"other{number}" for number in range(8)]
PLACES = {"events": "events/", **{name: f"{name}.parquet" for name in OTHERS}}


@pytest.fixture(scope="module")
def accounts(ceph) -> Accounts:
    store = ceph.below("identity")
    lake.fill(store)
    for name in OTHERS:
        store.write(f"{name}.parquet", lake.parquet(lake.rows(0)))
    return Accounts(ceph)


@pytest.fixture
def served(tmp_path) -> Iterator[Callable[..., Lake]]:
    """Makes gateways over a store, with variables. Footers are not kept: every question asks the store."""
    started: list[Lake] = []

    def serve(store: Store, **env: str) -> Lake:
        directory = tmp_path / f"mesh{len(started)}"
        settings = "[sources]\nfooter_cache_bytes = 0\n"
        variables = {**DECOYS, "HOME": str(tmp_path), **env}
        own = lake.serve(directory, store, settings, PLACES, also=at_home, env=variables)
        started.append(own)
        return own

    yield serve
    for own in started:
        assert own.running.stop() == 0, own.running.tail()
        assert "panicked" not in own.running.log_text()


def theirs(ceph: Store) -> Store:
    """The lake in Ceph, for whoever the machine is."""
    settings = (
        f'[stores.lake]\nurl = "s3://{stores.BUCKET}"\nendpoint = "http://{ceph.endpoint}"\nidentity = true\n{MEANS}'
    )
    return dataclasses.replace(ceph.below("identity"), settings=settings)


def refused(own: Lake, table: str = "events") -> float:
    """A question is refused without a word of why, and others' products answer; answers the seconds it took."""
    begun = time.monotonic()
    with pytest.raises(flight.FlightUnavailableError) as refusal:
        own.ids("keeper", table=table)
    took = time.monotonic() - begun
    assert_clean(refusal.value)
    assert home(own) == list(range(5))
    return took


def keeps_silent(own: Lake, *secrets: str) -> None:
    log = own.running.log_text()
    for secret in secrets:
        assert secret not in log, "a credential is in the log"


def fetches(service: Service) -> int:
    return sum(1 for request in service.asked if request.path.endswith("/security-credentials/machine"))


def test_a_machine_is_who_its_metadata_service_says(ceph, accounts, served):
    """Session credentials of a role that may only read, fetched once as long as they last."""
    keys = accounts.session()
    with identities.instance(Handed(keys)) as metadata:
        own = served(theirs(ceph), AWS_EC2_METADATA_SERVICE_ENDPOINT=f"{metadata.url}/")
        for _ in range(3):
            assert own.ids("keeper") == everything()
        assert own.ids("reader") == [id for id in everything() if id % 2 and id >= 1000]
        assert fetches(metadata) == 1
        keeps_silent(own, *keys.values(), "instance-session")


def test_what_ends_soon_is_fetched_anew(ceph, accounts, served):
    first, second = accounts.session(), accounts.session()
    handed = Handed(first, ttl=SOON)
    with identities.instance(handed) as metadata:
        own = served(theirs(ceph), AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url)
        assert own.ids("keeper") == everything()
        handed.keys = {**first, "SecretAccessKey": "revoked"}
        refused(own)
        handed.keys = second
        own.eventually(everything())
        asked = fetches(metadata)
        handed.ttl = identities.HOUR
        own.eventually(everything())
        time.sleep(2)
        settled = fetches(metadata)
        assert asked < settled
        for _ in range(3):
            assert own.ids("keeper") == everything()
        assert fetches(metadata) == settled, "what lasts is kept"
        keeps_silent(own, *first.values(), *second.values(), "revoked")


@pytest.mark.parametrize("fault", ["500", "404", "hang"])
def test_a_metadata_service_that_fails_is_the_operators_to_know(ceph, accounts, served, fault):
    """In bounded time for everybody, also where many ask at once; afterwards the store answers again."""
    handed = Handed(accounts.session(), ttl=SOON)
    with identities.instance(handed) as metadata:
        own = served(theirs(ceph), AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url)
        assert own.ids("keeper") == everything()
        metadata.fail(fault)
        with concurrent.futures.ThreadPoolExecutor(len(OTHERS)) as pool:
            took = list(pool.map(lambda name: refused(own, name), OTHERS))
        assert max(took) < 12, took
        log = own.running.log_text()
        assert "store `lake`: no credentials for its identity" in log
        status, metrics = own.running.get("/metrics")
        assert status == 200 and 'airside_store_troubles_total{store="lake"' in metrics
        metadata.heal()
        own.eventually(everything())
        keeps_silent(own, *handed.keys.values(), "instance-session")


def test_a_gateway_starts_without_its_metadata_service(ceph, accounts, served):
    handed = Handed(accounts.session())
    with identities.instance(handed) as metadata:
        metadata.fail("hang")
        begun = time.monotonic()
        own = served(theirs(ceph), AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url)
        assert time.monotonic() - begun < 15
        assert home(own) == list(range(5))
        metadata.heal()
        own.eventually(everything())


def test_a_pod_shows_its_web_identity(ceph, accounts, served, tmp_path):
    """Ceph's own token service looks at the token's signature, audience and issuer; a renewed token is read anew."""
    folder, file = identities.tls(tmp_path / "tls"), tmp_path / "token"
    with Issuer() as issuer, identities.sts(ceph, folder) as service:
        role = accounts.trusting(issuer)
        file.write_text(issuer.token())
        own = served(
            theirs(ceph),
            AWS_WEB_IDENTITY_TOKEN_FILE=str(file),
            AWS_ROLE_ARN=role,
            AWS_ROLE_SESSION_NAME="gateway",
            AWS_ENDPOINT_URL_STS=service.url,
            SSL_CERT_FILE=str(folder / "ca.pem"),
        )
        assert own.ids("keeper") == everything()
        [asked, *_] = service.asked
        assert asked.query["RoleSessionName"] == "gateway" and asked.query["RoleArn"] == role
        shown = [file.read_text(), issuer.token(aud="another", client_id="another"), issuer.token(sub="renewed")]
        file.write_text(shown[1])
        refused(own)
        file.write_text(shown[2])
        own.eventually(everything())
        assert service.asked[-1].query["WebIdentityToken"] == shown[2]
        keeps_silent(own, *shown)


def test_a_pod_asks_its_agent(ceph, accounts, served, tmp_path):
    """EKS Pod Identity: an address and a token in a file."""
    file = tmp_path / "token"
    file.write_text("of-this-pod")
    keys = accounts.session()
    with identities.pod(Handed(keys, ttl=SOON), file) as agent:
        own = served(
            theirs(ceph),
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{agent.url}/v1/credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(file),
        )
        assert own.ids("keeper") == everything()
        assert {request.path for request in agent.asked} == {"/v1/credentials"}
        file.write_text("renewed")
        assert own.ids("keeper") == everything()
        keeps_silent(own, *keys.values(), "of-this-pod", "renewed")


def test_an_identity_by_halves_is_no_other_identity(ceph, accounts, served, tmp_path):
    """Without the role, the client would go on to the machine's own; the operator is told what is missing."""
    with identities.instance(Handed(accounts.session())) as metadata:
        own = served(
            theirs(ceph),
            AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
            AWS_EC2_METADATA_SERVICE_ENDPOINT=metadata.url,
        )
        refused(own)
        assert not metadata.asked
        assert "`AWS_WEB_IDENTITY_TOKEN_FILE` is set, but not `AWS_ROLE_ARN`" in own.running.log_text()


@pytest.fixture(scope="module")
def azure(tmp_path_factory) -> Iterator[tuple[Store, Path]]:
    """A container that asks for tokens, and the folder of its certificate."""
    directory = tmp_path_factory.mktemp("azure")
    folder = identities.tls(directory / "tls")
    with identities.azurite(directory / "store", folder) as store:
        lake.fill(store)
        yield store, folder


def test_azure_takes_a_managed_identity(azure, served):
    store, folder = azure
    with identities.managed_identity("only-here", "gateway") as service:
        told = {"IDENTITY_ENDPOINT": f"{service.url}/msi/token", "IDENTITY_HEADER": "only-here"}
        own = served(store, SSL_CERT_FILE=str(folder / "ca.pem"), AZURE_CLIENT_ID="gateway", **told)
        assert own.ids("keeper") == everything()
        assert len(service.asked) == 1
        keeps_silent(own, "only-here")


def test_azure_takes_a_workload_identity(azure, served, tmp_path):
    store, folder = azure
    token = tmp_path / "token"
    token.write_text("of-this-pod")
    with identities.authority("our-tenant", "gateway", token, folder) as service:
        own = served(
            store,
            SSL_CERT_FILE=str(folder / "ca.pem"),
            AZURE_CLIENT_ID="gateway",
            AZURE_TENANT_ID="our-tenant",
            AZURE_FEDERATED_TOKEN_FILE=str(token),
            AZURE_AUTHORITY_HOST=f"{service.url}/",
        )
        assert own.ids("keeper") == everything()
        assert len(service.asked) == 1
        keeps_silent(own, "of-this-pod")


def test_azure_refuses_who_is_nobody(azure, served):
    store, folder = azure
    with identities.managed_identity("only-here", "gateway") as service:
        told = {"IDENTITY_ENDPOINT": f"{service.url}/msi/token", "IDENTITY_HEADER": "guessed"}
        own = served(store, SSL_CERT_FILE=str(folder / "ca.pem"), AZURE_CLIENT_ID="gateway", **told)
        refused(own)
        keeps_silent(own, "guessed")


def test_google_takes_the_metadata_servers_token(served, tmp_path):
    with (
        stores.gcs(tmp_path / "store") as behind,
        identities.guard(behind, "of-this-machine") as guard,
        identities.google("of-this-machine") as metadata,
        identities.google("of-another") as wrong,
    ):
        lake.fill(behind)
        settings = f'[stores.lake]\nurl = "gs://{stores.BUCKET}"\nendpoint = "{guard.url}"\nidentity = true\n{MEANS}'
        store = dataclasses.replace(behind, settings=settings)
        own = served(store, GCE_METADATA_HOST=metadata.endpoint)
        assert own.ids("keeper") == everything()
        assert len(metadata.asked) == 1
        other = served(store, GCE_METADATA_HOST=wrong.endpoint)
        refused(other)
        keeps_silent(other, "of-another")
        keeps_silent(own, "of-this-machine")
