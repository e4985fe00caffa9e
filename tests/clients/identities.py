"""What clouds run beside their machines, on the loopback: the services that tell a process who it is.

They hand out what real stores take: session credentials of Ceph's own STS, tokens whose claims Azurite checks. Only
Google's emulator checks nobody, so a guard stands before it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as fs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

import stores
from certificates import Authority
from service import Answer, Request, Service, forward
from stores import Store

HOUR = datetime.timedelta(hours=1)
READING = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": ["*"]}


def tls(folder: Path) -> Path:
    """A folder with a server's certificate and key, and its authority: `server.pem`, `server.key`, `ca.pem`."""
    folder.mkdir(parents=True)
    authority = Authority("the cloud's authority")
    issued = authority.server()
    for name, pem in (("server.pem", issued.certificate), ("server.key", issued.key), ("ca.pem", authority.pem)):
        (folder / name).write_bytes(pem)
    return folder


# --- Amazon -----------------------------------------------------------------------------------------------------------


class Accounts:
    """Roles of Ceph's, and sessions in them."""

    def __init__(self, ceph: Store) -> None:
        self._endpoint = ceph.endpoint

    def role(self, name: str, principal: dict, action: str) -> str:
        """A role that may read; answers its ARN. To be there already is no fault."""
        trust = {"Effect": "Allow", "Principal": principal, "Action": [action]}
        with contextlib.suppress(urllib.error.HTTPError):
            self._ask("iam", "CreateRole", RoleName=name, Path="/", AssumeRolePolicyDocument=policy(trust))
        self._ask("iam", "PutRolePolicy", RoleName=name, PolicyName="reading", PolicyDocument=policy(READING))
        return f"arn:aws:iam:::role/{name}"

    def session(self) -> dict[str, str]:
        """Credentials for 15 minutes, the shortest there are: `AccessKeyId`, `SecretAccessKey`, `SessionToken`."""
        role = self.role("machine", {"AWS": ["arn:aws:iam:::user/airside"]}, "sts:AssumeRole")
        given = self._ask("sts", "AssumeRole", RoleArn=role, RoleSessionName="machine", DurationSeconds="900")
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {name: re.search(f"<{name}>(.+?)</{name}>", given)[1] for name in names}

    def trusting(self, issuer: Issuer) -> str:
        """The ARN of a role of whoever shows a token of the issuer's."""
        self._ask(
            "iam",
            "CreateOpenIDConnectProvider",
            Url=issuer.url,
            **{"ClientIDList.member.1": Issuer.AUDIENCE, "ThumbprintList.member.1": issuer.thumbprint},
        )
        principal = {"Federated": [f"arn:aws:iam:::oidc-provider/{issuer.endpoint}"]}
        return self.role(f"pod-{issuer.endpoint.split(':')[1]}", principal, "sts:AssumeRoleWithWebIdentity")

    def _ask(self, service: str, action: str, **parameters: str) -> str:
        """A call, signed as Amazon's are (signature version 4)."""
        form = {"Action": action, "Version": "2011-06-15" if service == "sts" else "2010-05-08", **parameters}
        body = urllib.parse.urlencode(form, quote_via=urllib.parse.quote).encode()
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/us-east-1/{service}/aws4_request"
        digest = hashlib.sha256(body).hexdigest()
        asked = f"POST\n/\n\nhost:{self._endpoint}\nx-amz-date:{moment}\n\nhost;x-amz-date\n{digest}"
        signed = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = f"AWS4{stores.SECRET}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
            "authorization": f"AWS4-HMAC-SHA256 Credential={stores.KEY}/{scope}, SignedHeaders=host;x-amz-date, "
            f"Signature={hmac.new(key, signed.encode(), 'sha256').hexdigest()}",
        }
        call = urllib.request.Request(f"http://{self._endpoint}/", body, headers, method="POST")
        with urllib.request.urlopen(call, timeout=30) as answer:
            return answer.read().decode()


def policy(*statements: dict) -> str:
    """Ceph reads no blanks in it."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


class Handed:
    """Session credentials as Amazon's services hand them out; `keys` and `ttl` may be changed meanwhile."""

    def __init__(self, keys: dict[str, str], ttl: datetime.timedelta = HOUR) -> None:
        self.keys = keys
        self.ttl = ttl

    def document(self) -> Answer:
        expiration = (datetime.datetime.now(datetime.UTC) + self.ttl).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {**self.keys, "Token": self.keys["SessionToken"], "Expiration": expiration, "Code": "Success"}
        return Answer.json(given)


def instance(handed: Handed) -> Service:
    """A virtual machine's metadata service, version 2: nothing without the token that it gives first."""
    token, role = "instance-session", "/latest/meta-data/iam/security-credentials/"

    def answer(request: Request) -> Answer:
        if (request.method, request.path) == ("PUT", "/latest/api/token"):
            bounded = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
            return Answer(body=token.encode()) if bounded else Answer(400)
        if request.headers.get("x-aws-ec2-metadata-token") != token:
            return Answer(401)
        if request.path == role:
            return Answer(body=b"machine")
        return handed.document() if request.path == f"{role}machine" else Answer(404)

    return Service(answer)


def pod(handed: Handed, token: Path) -> Service:
    """The agent that gives pods theirs, for the token in a file."""

    def answer(request: Request) -> Answer:
        shown = request.headers.get("authorization")
        return handed.document() if shown == token.read_text() else Answer(401)

    return Service(answer)


def sts(ceph: Store, folder: Path) -> Service:
    """Ceph's token service behind TLS, without which the client does not speak to one. What it gives ends at once."""
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def answer(request: Request) -> Answer:
        given = forward(ceph.endpoint, request)
        body = re.sub(rb"(?<=<Expiration>)[^<]+", soon.encode(), given.body)
        return Answer(given.status, body, [("content-type", "text/xml")])

    return Service(answer, folder)


class Issuer(Service):
    """Signs the tokens that a cluster puts into its pods. Ceph knows it by its certificate."""

    AUDIENCE = "airside"

    def __init__(self) -> None:
        super().__init__(self._told)
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - HOUR)
        self._certificate = builder.not_valid_after(now + HOUR).sign(self._key, hashes.SHA256())

    @property
    def thumbprint(self) -> str:
        return hashlib.sha1(self._der()).hexdigest().upper()

    def token(self, **claims: object) -> str:
        """What a pod shows."""
        now = int(time.time())
        own = {"iss": self.url, "sub": "pod", "aud": self.AUDIENCE, "client_id": self.AUDIENCE}
        signed = jwt({**own, "iat": now, "nbf": now - 60, "exp": now + 600, **claims})
        return f"{signed}.{plain(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def _told(self, request: Request) -> Answer:
        if request.path == "/.well-known/openid-configuration":
            return Answer.json({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        numbers = self._key.public_key().public_numbers()
        modulus = plain(numbers.n.to_bytes(256, "big"))
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "it", "n": modulus, "e": "AQAB"}
        return Answer.json({"keys": [{**key, "x5c": [base64.b64encode(self._der()).decode()]}]})

    def _der(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.DER)


def jwt(claims: dict) -> str:
    """A token without its signature."""
    header = {"alg": "RS256", "typ": "JWT", "kid": "it"}
    return ".".join(plain(json.dumps(part).encode()) for part in (header, claims))


def plain(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# --- Microsoft --------------------------------------------------------------------------------------------------------


def entra_token() -> str:
    """A token for storage. Azurite checks what it claims, not who signed it."""
    now = int(time.time())
    issuer = "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/"
    claims = {"aud": "https://storage.azure.com", "iss": issuer, "iat": now, "nbf": now - 60, "exp": now + 3600}
    return f"{jwt(claims)}.{plain(b'nobody looks')}"


def managed_identity(header: str, client: str) -> Service:
    """What a machine or an app asks for its token: `IDENTITY_ENDPOINT`, by the header that only it knows."""

    def answer(request: Request) -> Answer:
        if (request.headers.get("metadata"), request.headers.get("x-identity-header")) != ("true", header):
            return Answer(401)
        if request.query.get("client_id") != client or "storage" not in request.query.get("resource", ""):
            return Answer(400)
        return Answer.json({"access_token": entra_token(), "expires_on": str(int(time.time()) + 3600)})

    return Service(answer)


def authority(tenant: str, client: str, token: Path, folder: Path) -> Service:
    """Entra ID: a token for storage, for a pod's own."""

    def answer(request: Request) -> Answer:
        form = request.form
        shown = (form.get("client_id"), form.get("client_assertion"), form.get("grant_type"))
        if request.path != f"/{tenant}/oauth2/v2.0/token" or shown != (client, token.read_text(), "client_credentials"):
            return Answer(401)
        return Answer.json({"access_token": entra_token(), "expires_in": 3600})

    return Service(answer, folder)


@dataclass
class Container(Store):
    """A container of Azurite's behind TLS; pyarrow would not trust its certificate."""

    trusted: Path = Path()

    def write(self, path: str, content: bytes) -> None:
        self._put(f"{self.folder}/{path}", content, {"x-ms-blob-type": "BlockBlob"})

    def create(self) -> None:
        self._put(f"{stores.BUCKET}?restype=container", b"", {})

    def _put(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        shown = {"authorization": f"Bearer {entra_token()}", "x-ms-version": "2025-11-05", **headers}
        url = f"https://{self.endpoint}/{stores.AZURE}/{path}"
        call = urllib.request.Request(url, content, shown, method="PUT")
        context = ssl.create_default_context(cafile=str(self.trusted))
        with urllib.request.urlopen(call, timeout=30, context=context) as answer:
            assert answer.status == 201


@contextlib.contextmanager
def azurite(directory: Path, folder: Path) -> Iterator[Store]:
    """Azure's storage that asks for tokens, which its emulator does behind TLS only."""
    home = Path(os.environ["AIRSIDE_STORES_DIR"])
    directory.mkdir(parents=True)
    [port] = stores.free_ports(1)
    command = ["node", home / "node_modules/azurite/dist/src/blob/main.js", "--blobPort", str(port)]
    command += ["--location", directory, "--blobHost", "127.0.0.1", "--skipApiVersionCheck", "--silent"]
    command += [
        "--disableTelemetry",
        "--oauth",
        "basic",
        "--cert",
        folder / "server.pem",
        "--key",
        folder / "server.key",
    ]
    with stores.process(command, directory):
        endpoint = f"127.0.0.1:{port}"
        stores.listens(endpoint)
        settings = (
            f'[stores.lake]\nurl = "az://{stores.BUCKET}"\naccount = "{stores.AZURE}"\n'
            f'endpoint = "https://{endpoint}/{stores.AZURE}"\nidentity = true\n'
        )
        local = fs.LocalFileSystem()
        root = f"az://{stores.BUCKET}/"
        container = Container(local, stores.BUCKET, root, "azure", settings, endpoint, folder / "ca.pem")
        container.create()
        yield container


# --- Google -----------------------------------------------------------------------------------------------------------


def google(token: str) -> Service:
    """A virtual machine's metadata server."""

    def answer(request: Request) -> Answer:
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403)
        if request.path != "/computeMetadata/v1/instance/service-accounts/default/token":
            return Answer(404)
        return Answer.json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    return Service(answer)


def guard(store: Store, token: str) -> Service:
    """Lets only those to the emulator who show the token."""

    def answer(request: Request) -> Answer:
        shown = request.headers.get("authorization")
        return forward(store.endpoint, request) if shown == f"Bearer {token}" else Answer(401)

    return Service(answer)
