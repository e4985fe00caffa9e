"""Forged JWTs: everything but a good one is refused.

The issuer is a page of keys whose private part the tests hold, so each forgery is wrong in one thing alone.
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from grpc import StatusCode

from bearer import AUDIENCE, ask, with_groups_claim
from wire import Refused

KID = "the-key"


class Issuer:
    """Discovery and keys over HTTP, and the private key."""

    def __init__(self) -> None:
        self.key = new_key()
        numbers = self.key.public_key().public_numbers()
        self.jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, **public_parts(numbers)}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.page())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self) -> type[http.server.BaseHTTPRequestHandler]:
        issuer = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"},
                    "/jwks": {"keys": [issuer.jwk]},
                }
                body = json.dumps(pages.get(self.path, {})).encode()
                self.send_response(200 if self.path in pages else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                pass

        return Page

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def issuer():
    running = Issuer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusting(configured, issuer):
    """A gateway that trusts the issuer."""
    return configured(
        f"""
[[authn.oidc]]
issuer = "{issuer.url}"
audience = "{AUDIENCE}"
allow_http_loopback = true
leeway = "1s"
""",
        principals=with_groups_claim,
    )


def public_parts(numbers: rsa.RSAPublicNumbers) -> dict[str, str]:
    return {"n": base64url(numbers.n.to_bytes(256)), "e": base64url(numbers.e.to_bytes(3))}


def claims(issuer, **changes) -> dict:
    """The claims of a good token, with changes; `None` takes one away."""
    now = int(time.time())
    good = {
        "iss": issuer.url,
        "aud": AUDIENCE,
        "sub": "ada",
        "groups": ["sales_owners"],
        "iat": now,
        "exp": now + 300,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(issuer, key: rsa.RSAPrivateKey | None = None, header: dict | None = None, **changes) -> str:
    """A token signed with the issuer's own key, unless told otherwise."""
    fields = {"alg": "RS256", "typ": "at+jwt", "kid": KID, **(header or {})}
    content = f"{encoded(fields)}.{encoded(claims(issuer, **changes))}"
    signature = (key or issuer.key).sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{content}.{base64url(signature)}"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(value: dict) -> str:
    return base64url(json.dumps(value).encode())


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_the_forger_of_these_tests_could_make_a_good_one(trusting, issuer):
    """Else the refusals below would prove nothing."""
    assert isinstance(ask(trusting, signed(issuer)), bytes)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": int(time.time()) + 3600},
        {"aud": "https://another.test"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://another.test"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"groups": "sales_owners, stewards"},
        {"groups": {"a": "stewards"}},
        {"hasgroups": True, "groups": None},
        {"_claim_names": {"groups": "src1"}, "groups": None},
    ],
    ids=lambda changes: json.dumps(changes)[:40],
)
def test_wrong_claims_are_refused(changes, trusting, issuer):
    refusal = ask(trusting, signed(issuer, **changes))
    assert isinstance(refusal, Refused), "let in"
    assert refusal.code in (StatusCode.UNAUTHENTICATED, StatusCode.NOT_FOUND), refusal
    if "groups" not in changes or changes["groups"] is None:
        assert refusal.code is StatusCode.UNAUTHENTICATED, refusal


def test_another_key_is_refused(trusting, issuer):
    assert ask(trusting, signed(issuer, new_key())).code is StatusCode.UNAUTHENTICATED


def test_no_signature_is_refused(trusting, issuer):
    for algorithm in ("none", "None", "NONE", ""):
        token = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims(issuer))}."
        assert ask(trusting, token).code is StatusCode.UNAUTHENTICATED, algorithm


def test_the_public_key_is_no_shared_secret(trusting, issuer):
    public = issuer.key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': KID})}.{encoded(claims(issuer))}"
    for secret in (pem, pem.strip(), der, issuer.jwk["n"].encode()):
        signature = hmac.digest(secret, content.encode(), hashlib.sha256)
        assert ask(trusting, f"{content}.{base64url(signature)}").code is StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("kid", ["unknown", "../../../../etc/passwd", "' OR 1=1 --", "x" * 5000, ""])
def test_a_strange_kid_is_refused(kid, trusting, issuer):
    key = new_key()
    refusal = ask(trusting, signed(issuer, key, {"kid": kid}))
    assert refusal.code is StatusCode.UNAUTHENTICATED, refusal


def test_a_key_in_the_header_is_not_used(trusting, issuer):
    own = new_key()
    jwk = {"kty": "RSA", **public_parts(own.public_key().public_numbers())}
    for header in ({"jwk": jwk}, {"jku": "http://127.0.0.1:1/jwks"}, {"x5u": "http://127.0.0.1:1/"}):
        assert ask(trusting, signed(issuer, own, header)).code is StatusCode.UNAUTHENTICATED, header


def test_a_huge_token_is_refused(trusting, issuer):
    refusal = ask(trusting, signed(issuer, groups=["g" * 40 for _ in range(4000)]))
    assert isinstance(refusal, Refused)


def test_an_altered_token_is_refused(trusting, issuer):
    header, _, signature = signed(issuer, sub="noor").split(".")
    token = f"{header}.{encoded(claims(issuer))}.{signature}"
    assert ask(trusting, token).code is StatusCode.UNAUTHENTICATED


def test_an_expired_token_is_refused(trusting, issuer):
    token = signed(issuer, exp=int(time.time()) + 2)
    assert isinstance(ask(trusting, token), bytes)
    time.sleep(4.5)
    assert ask(trusting, token).code is StatusCode.UNAUTHENTICATED
