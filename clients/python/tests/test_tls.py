"""TLS: who the gateway is, and who the client is by its certificate."""

import pytest

import airside
from certificates import Authority

LORRY = "spiffe://mesh.test/lorry"


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
    tls = f'\n[tls]\ncertificate = "{folder}/server.pem"\nkey = "{folder}/server.key"\nclient_ca = "{folder}/ca.pem"\n'
    mtls = f'[authn.mtls]\nsan = "uri"\nnames = {{ "{LORRY}" = "lorry" }}\n'
    return configured(tls + mtls, lambda text: f'{text}\n[entitlements.lorry]\ngroups = ["sales_owners"]\n')


def rows(location: str, **options) -> int:
    with airside.connect(location, retry=airside.Retry(attempts=1), **options) as mesh:
        return mesh["sales.orders"].head(3).to_arrow().num_rows


def test_the_gateway_is_known_by_its_authority(secured, authority):
    token = "airt_demo-token-that-everybody-may-know"
    assert secured.flight.startswith("grpc+tls://")
    assert rows(secured.flight, token=token, tls=airside.Tls(roots=authority.pem)) == 3
    for roots in (Authority("another").pem, None):
        with pytest.raises(airside.Unavailable):
            rows(secured.flight, token=token, tls=airside.Tls(roots=roots))


def test_the_client_is_known_by_its_certificate(secured, authority):
    issued = authority.client(LORRY)
    lorry = airside.Tls(roots=authority.pem, certificate=issued.certificate, key=issued.key)
    assert rows(secured.flight, tls=lorry) == 3
    with pytest.raises(airside.Unauthenticated):
        rows(secured.flight, tls=airside.Tls(roots=authority.pem))


def test_a_certificate_has_a_key():
    with pytest.raises(ValueError, match="belong together"):
        airside.Tls(certificate=b"pem")


def test_an_encrypted_gateway_is_not_asked_in_the_clear(secured):
    with pytest.raises(airside.Unavailable):
        rows(secured.flight.replace("grpc+tls://", "grpc://"), token="token")
