"""People at the gateway's pages: signing in, what they see, the tokens they take along, and whoever attacks that."""

import json
import re
import shutil
import socket
import ssl
import time
import urllib.parse

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions
from grpc import StatusCode

import gateway as gateways
import wire
from bearer import AUDIENCE, with_groups_claim
from browsing import Browser, id_of, signed_in
from certificates import Authority
from conftest import AUDIT, Session
from issuer import Provider, needs_node
from test_authn import basic
from test_operation import ORDERS_CONTRACT, edit
from test_streams import Reading, until_revoked
from wire import Raw, Refused

QUESTION = wire.statement("SELECT count(*) FROM geography.region")
ORDERS = wire.statement("SELECT count(*) FROM sales.orders")
PEOPLE = [
    {"name": "ada", "groups": ["sales_owners"]},
    {"name": "noor", "groups": ["guests"]},
    {"name": "overfull", "claims": {"_claim_names": {"groups": "src1"}}},
    {"name": "groupless"},
    {"name": "steward", "groups": ["stewards"]},
    {"name": "everywhere", "groups": ["sales_owners", *(f"group-{i:04}-of-a-large-company" for i in range(200))]},
]


def bearer(running, token: str) -> Raw:
    return Raw.connect(running.address, ("authorization", f"Bearer {token}"))


def refused(client: Raw, question: bytes = QUESTION) -> StatusCode:
    with pytest.raises(Refused) as refusal:
        client.read(question)
    return refusal.value.code


# --- signing in -----------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_is_sent_to_do_so(gateway):
    for path in ("/", "/token", "/products/sales/orders"):
        page = Browser(gateway).get(path, follow=False)
        assert (page.status, page.location) == (303, "/login"), path
    for path in ("/token", "/token/revoke", "/logout"):
        page = Browser(gateway).post(path, {"csrf": "x", "label": "x", "days": "1"}, follow=False)
        assert (page.status, page.location) == (303, "/login"), path


def test_a_password_signs_in_and_signing_out_ends_it(gateway):
    browser = signed_in(gateway, "owner")
    page = browser.get("/")
    assert "owner" in page.text and "sales.orders" in page.text
    assert browser.get("/login", follow=False).location == "/"
    out = browser.post("/logout", {"csrf": browser.csrf()})
    assert out.path == "/login"
    assert browser.get("/", follow=False).location == "/login"


def test_wrong_and_unknown_users_look_alike(gateway):
    pages = [Browser(gateway).sign_in(user, "wrong") for user in ("steward", "stewart")]
    assert [page.status for page in pages] == [401, 401]
    assert len({re.sub(r'value="[^"]*"', "", page.text) for page in pages}) == 1


def test_guessing_is_slowed_down(private):
    running = private()
    statuses = [Browser(running).sign_in("owner", "guess").status for _ in range(9)]
    assert statuses[0] == 401 and statuses[-1] == 429, statuses
    assert int(Browser(running).sign_in("owner", "guess").headers["retry-after"]) >= 1
    signed_in(running, "analyst")


@pytest.mark.parametrize("fields", [{}, {"user": "owner"}, {"user": "", "password": ""}, {"user": "o" * 999}])
def test_half_a_form_signs_nobody_in(fields, gateway):
    browser = Browser(gateway)
    csrf = browser.get("/login").hidden("csrf")
    assert browser.post("/login", {"csrf": csrf, **fields}).status == 401


def test_pages_say_what_browsers_may_do_with_them(gateway):
    browser = signed_in(gateway, "owner")
    pages = [browser.get(path) for path in ("/", "/token", "/products/sales/orders", "/products/no/thing")]
    pages += [Browser(gateway).get("/login"), Browser(gateway).post("/login", {}), browser.post("/token", {})]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
        assert "unsafe" not in policy and "script-src" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert "<script" not in page.text and "style=" not in page.text
    for line in Browser(gateway).get("/login").headers.get_all("set-cookie"):
        assert "HttpOnly" in line and "SameSite=Lax" in line and "Path=/" in line, line


def test_the_probes_are_as_they_were(gateway):
    for path in ("/healthz", "/readyz", "/metrics"):
        page = Browser(gateway).get(path)
        assert page.status == 200 and "set-cookie" not in page.headers, path
    assert gateway.get("/no/such/page")[0] == 404


# --- what there is --------------------------------------------------------------------------------


def test_products_are_those_one_may_know_of(gateway):
    steward, nobody = (signed_in(gateway, user).get("/").text for user in ("steward", "nobody"))
    for product in ("sales.orders", "customers.customer", "marketing.customer_lifetime_value", "geography.nation"):
        assert product in steward and product not in nobody
    assert "no products" in nobody


def test_a_hidden_product_is_like_one_that_does_not_exist(gateway):
    browser = signed_in(gateway, "nobody")
    hidden, absent = browser.get("/products/sales/orders"), browser.get("/products/sales/no_such")
    assert hidden.status == absent.status == 404
    assert hidden.text == absent.text
    assert sorted(hidden.headers.keys()) == sorted(absent.headers.keys())


def test_a_product_tells_what_is_kept_back(gateway):
    page = signed_in(gateway, "analyst").get("/products/customers/customer").text
    assert "rows restricted" in page and "masked: " in page and "c_phone" in page
    assert "BUILDING" not in page, "the filter itself is the policy's"
    assert ".parquet" not in page and str(gateway.directory) not in page
    owner = signed_in(gateway, "owner").get("/products/sales/orders").text
    assert "rows restricted" not in owner and "masked" not in owner


def test_a_purpose_opens_what_asks_for_one(gateway):
    browser = signed_in(gateway, "service")
    without = browser.get("/products/supply/partsupp").text
    audit = browser.get("/products/supply/partsupp?purpose=audit").text
    assert "ps_supplycost" not in without and "ps_supplycost" in audit
    assert "airside-purpose" in audit
    assert browser.get("/?purpose=not%20one").status == 400


def test_the_settings_work_as_they_are_copied(gateway, files, monkeypatch):
    browser = signed_in(gateway, "owner")
    monkeypatch.setenv("AIRSIDE_TOKEN", browser.make_token("copied"))
    text = browser.get("/products/sales/orders").text
    snippets = dict(re.findall(r'<pre id="(\w+)">(.*?)</pre>', text, re.DOTALL))
    snippets = {name: code.replace("&quot;", '"').replace("&amp;", "&") for name, code in snippets.items()}
    names: dict = {}
    exec(snippets["pyarrow"], names)
    assert [names["table"].num_rows] == files.values("SELECT count(*) FROM sales.orders")
    names = {}
    exec(snippets["adbc"] + "\n" + snippets["frames"], names)
    names["connection"].close()
    assert snippets["jdbc"] == f"jdbc:arrow-flight-sql://{gateway.address}/?useEncryption=false&user=token"


def test_what_a_contract_says_is_text(private):
    running = private()
    hostile = """<script>alert(1)</script>'"><img src=x onerror=alert(2)>&lt;"""
    version = running.get("/readyz")[1]
    edit(running, ORDERS_CONTRACT, "name: Orders\n", f"name: {json.dumps(hostile)}\n")
    contract = running.directory / ORDERS_CONTRACT
    text = contract.read_text()
    contract.write_text(text.replace('"Identifies the order.', json.dumps(hostile + "Identifies the order.")[:-1], 1))
    running.wait_until(lambda: running.get("/readyz")[1] != version, "the hostile contract")
    browser = signed_in(running, "owner")
    running.wait_until(lambda: "alert(2)" in browser.get("/products/sales/orders").text, "the hostile words")
    for path in ("/", "/products/sales/orders"):
        page = browser.get(path).text
        assert "<script" not in page and "<img" not in page and "&lt;script&gt;alert(1)" in page
        assert "&amp;lt;" in page


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_works_for_every_client(gateway, files):
    browser = signed_in(gateway, "owner")
    token = browser.make_token("every client")
    page = browser.get("/token").text
    assert token not in page and token[-4:] in page and "every client" in page
    expected = files.values("SELECT count(*) FROM sales.orders")
    for name in ("owner", "token"):
        # ADBC and JDBC send Basic in a handshake, and then what it gave.
        options = {"username": name, "password": token}
        with adbc.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM sales.orders")
                assert list(cursor.fetchone()) == expected
        header = flight.FlightClient(gateway.flight).authenticate_basic_token(name, token)
        assert header == (b"authorization", f"Bearer {token}".encode())
        assert Raw.connect(gateway.address, ("authorization", basic(name, token))).read(ORDERS)
    as_header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    with adbc.connect(gateway.flight, db_kwargs=as_header, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sales.orders")
            assert list(cursor.fetchone()) == expected
    session = Session(flight.FlightClient(gateway.flight), (b"authorization", f"Bearer {token}".encode()))
    assert session.sql("SELECT count(*) FROM sales.orders").column(0).to_pylist() == expected
    bearer(gateway, token).both("Handshake", [b""])
    assert refused(Raw.connect(gateway.address, ("authorization", basic("analyst", token)))) is (
        StatusCode.UNAUTHENTICATED
    ), "with another's name"
    log = gateway.log_text()
    assert token not in log and token.split("_", 2)[2] not in log
    for kept in (gateway.directory / "personal-tokens").iterdir():
        assert kept.stat().st_mode & 0o077 == 0
        assert token.split("_", 2)[2] not in kept.read_text()


def test_a_token_has_its_owners_rights_and_no_more(gateway):
    token = signed_in(gateway, "nobody").make_token()
    assert refused(bearer(gateway, token), ORDERS) is StatusCode.NOT_FOUND


def test_a_token_does_not_sign_in_to_the_pages(gateway):
    token = signed_in(gateway, "owner").make_token()
    for user in ("owner", "token"):
        assert Browser(gateway).sign_in(user, token).status == 401
    page = Browser(gateway).get("/", follow=False, authorization=f"Bearer {token}")
    assert page.location == "/login"


def test_a_revoked_token_ends(gateway):
    browser = signed_in(gateway, "owner")
    token = browser.make_token("soon revoked")
    assert bearer(gateway, token).read(QUESTION)
    page = browser.revoke(id_of(token))
    assert page.status == 200 and token[-4:] not in page.text
    assert refused(bearer(gateway, token)) is StatusCode.UNAUTHENTICATED
    assert browser.revoke(id_of(token)).status == 404


def test_anothers_token_is_not_ones_own(gateway):
    token = signed_in(gateway, "owner").make_token()
    stranger = signed_in(gateway, "steward")
    assert token[-4:] not in stranger.get("/token").text
    others, none = stranger.revoke(id_of(token)), stranger.revoke("0" * 20)
    assert others.status == none.status == 404
    assert re.sub(r'value="[^"]*"', "", others.text) == re.sub(r'value="[^"]*"', "", none.text)
    for odd in ("", "../../users.toml", "../" + id_of(token), id_of(token).upper() + "\0"):
        assert stranger.revoke(odd).status == 404
    assert bearer(gateway, token).read(QUESTION)


@pytest.mark.parametrize(
    ("label", "days"),
    [
        ("", 1),
        ("x" * 65, 1),
        ("a\r\nset-cookie: x=y", 1),
        ("a\u202eb", 1),
        ("a", 0),
        ("a", 31),
        ("a", "-1"),
        ("a", "x"),
    ],
)
def test_what_cannot_be_a_token_is_refused(label, days, gateway):
    browser = signed_in(gateway, "analyst")
    page = browser.post("/token", {"csrf": browser.csrf(), "label": label, "days": str(days)})
    assert page.status == 422 and "airp_" not in page.text
    assert not any(cookie == "x" for cookie in browser.cookies())


def test_a_label_is_text(private):
    browser = signed_in(private(), "owner")
    browser.make_token("<img src=x onerror=alert(1)>\"'&amp;")
    page = browser.get("/token").text
    assert "<img" not in page and "&lt;img src=x" in page and "&amp;amp;" in page


def test_nobody_has_more_than_their_share(private):
    browser = signed_in(private(env={"AIRSIDE_AUTHN__PERSONAL_TOKENS__MAX_PER_PERSON": "2"}), "owner")
    browser.make_token(), browser.make_token()
    assert browser.post("/token", {"csrf": browser.csrf(), "label": "third", "days": "1"}).status == 409


def test_a_token_works_after_a_restart_and_on_a_replica(private, tmp_path):
    running = private()
    token = signed_in(running, "owner").make_token()
    replica = gateways.serve(
        running.directory / "airside.toml", tmp_path / "replica.log", env={"AIRSIDE_AUDIT__TO": "off"}
    )
    try:
        assert bearer(replica, token).read(QUESTION)
        running.stop()
        again = gateways.serve(running.directory / "airside.toml", tmp_path / "again.log")
        try:
            assert bearer(again, token).read(QUESTION)
            again.users = running.users
            # What one revokes, the other refuses.
            signed_in(again, "owner").revoke(id_of(token))
            assert refused(bearer(again, token)) is StatusCode.UNAUTHENTICATED
            time.sleep(1)
            assert refused(bearer(replica, token)) is StatusCode.UNAUTHENTICATED
        finally:
            again.kill()
    finally:
        replica.kill()


def test_an_expired_token_is_refused(private):
    running = private()
    token = signed_in(running, "owner").make_token()
    [kept] = (running.directory / "personal-tokens").iterdir()
    record = json.loads(kept.read_text())
    assert record["person"]["subject"] == "owner"
    kept.write_text(json.dumps({**record, "expires": "2026-01-01T00:00:00Z", "created": "2025-12-31T00:00:00Z"}))
    time.sleep(1)
    assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
    assert "expired" in signed_in(running, "owner").get("/token").text
    # A file that is none is ignored, and so is one that says more than is understood.
    for text in ("{", json.dumps({**record, "scope": "read"})):
        kept.write_text(text)
        time.sleep(1)
        assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
        assert signed_in(running, "owner").get("/token").status == 200
    assert running.log_text().count("personal tokens is ignored") == 1


class Carrying(Reading):
    """A long read under a bearer token."""

    def __init__(self, running, token: str) -> None:
        client = bearer(running, token)
        from test_streams import LINES

        ticket = client.info(LINES).endpoints[0].ticket.serialize()
        call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)
        self.messages = call(ticket, metadata=client.headers, timeout=60)
        self.read = [next(self.messages), next(self.messages)]


@pytest.mark.parametrize("how", ["page", "command", "user removed"])
def test_a_revoked_token_ends_streams_under_way(how, private):
    running = private()
    browser = signed_in(running, "owner")
    token = browser.make_token()
    reading = Carrying(running, token)
    config = running.directory / "airside.toml"
    began = time.monotonic()
    if how == "page":
        browser.revoke(id_of(token))
    elif how == "command":
        listed = gateways.run("token", "list", "--config", config).stdout
        assert id_of(token) in listed and "owner" in listed and token not in listed
        began = time.monotonic()
        done = gateways.run("token", "revoke", "--config", config, id_of(token))
        assert done.returncode == 0, done.stderr
    else:
        users = running.directory / "users.toml"
        users.write_text(users.read_text().replace("[users.owner]", "[users.somebody]"))
    until_revoked(running)
    assert time.monotonic() - began < 2
    assert reading.to_the_end() is StatusCode.PERMISSION_DENIED
    assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
    page = browser.get("/", follow=False)
    assert page.location == "/login" if how == "user removed" else page.status == 200


def test_operators_list_and_revoke(private):
    running = private()
    config = running.directory / "airside.toml"
    owner, steward = signed_in(running, "owner"), signed_in(running, "steward")
    tokens = [owner.make_token("one"), owner.make_token("two"), steward.make_token("three")]
    listed = gateways.run("token", "list", "--config", config, "--user", "owner").stdout
    assert [id_of(token) in listed for token in tokens] == [True, True, False]
    assert gateways.run("token", "revoke", "--config", config).returncode != 0
    assert gateways.run("token", "revoke", "--config", config, "../users").returncode == 1
    assert "0 revoked" in gateways.run("token", "revoke", "--config", config, "--expired").stdout
    assert "2 revoked" in gateways.run("token", "revoke", "--config", config, "--user", "owner").stdout
    time.sleep(1)
    assert refused(bearer(running, tokens[0])) is StatusCode.UNAUTHENTICATED
    assert bearer(running, tokens[2]).read(QUESTION)


# --- attacks --------------------------------------------------------------------------------------


def test_forms_from_elsewhere_do_nothing(gateway):
    browser = signed_in(gateway, "owner")
    csrf = browser.csrf()
    form = {"csrf": csrf, "label": "forged", "days": "1"}
    other = signed_in(gateway, "steward").csrf()
    for bad in ({**form, "csrf": ""}, {**form, "csrf": other}, {**form, "csrf": csrf[:-1]}, {"label": "forged"}):
        assert browser.post("/token", bad).status == 403
    for header in (
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": gateway.http + ".evil.example.com"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        assert browser.post("/token", form, **header).status == 403, header
        assert browser.post("/logout", {"csrf": csrf}, **header).status == 403, header
    assert browser.post("/logout", {}).status == 403
    assert "forged" not in browser.get("/token").text
    same = {"origin": gateway.http, "sec_fetch_site": "same-origin"}
    assert browser.post("/token", {**form, "label": "ours"}, **same).status == 200
    assert browser.get("/token/revoke").status == 405


def test_nobody_is_signed_in_by_a_form_from_elsewhere(gateway):
    """Login CSRF: an attacker's form would sign the victim in as the attacker."""
    attacker, victim = Browser(gateway), Browser(gateway)
    form = {"csrf": attacker.get("/login").hidden("csrf"), "user": "nobody", "password": "demo-nobody"}
    assert victim.post("/login", form).status == 403, "no form was ever offered to this browser"
    victim.get("/login")
    assert victim.post("/login", form).status == 403, "another browser's"
    assert victim.get("/", follow=False).location == "/login"


def test_a_cookie_is_sealed(gateway, private):
    browser = signed_in(gateway, "steward")
    [(name, value)] = [(k, v) for k, v in browser.cookies().items() if "form" not in k]
    assert "steward" not in value
    page = Browser(gateway).get("/", follow=False, cookie=f"{name}={value}")
    assert page.status == 200
    for bad in (value[:-4], "B" + value[1:], value[:40] + "AAAA" + value[44:], "", "x" * 3000):
        assert Browser(gateway).get("/", follow=False, cookie=f"{name}={bad}").location == "/login"
    # Another gateway's key, and another of the same gateway's seals.
    other = private()
    (other.directory / "secrets/tickets.key").write_text("".join(f"{i:02x}" for i in range(32)))
    other.stop()
    again = gateways.serve(other.directory / "airside.toml", other.log)
    try:
        port = again.http.rsplit(":", 1)[1]
        page = Browser(again).get("/", follow=False, cookie=f"airside-{port}={value}")
        assert page.location == "/login"
    finally:
        again.kill()
    form = Browser(gateway)
    form.get("/login")
    [sealed] = form.cookies().values()
    assert Browser(gateway).get("/", follow=False, cookie=f"{name}={sealed}").location == "/login"


def test_a_session_ends_in_time_and_with_its_user(private):
    running = private(env={"AIRSIDE_AUTHN__SESSION_TTL": "2s"})
    browser = signed_in(running, "owner")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
    time.sleep(3)
    page = Browser(running).get("/", follow=False, cookie=cookie)
    assert page.location == "/login", "though the browser kept it"


@pytest.mark.parametrize("change", ["removed", "new password"])
def test_a_removed_user_is_signed_out(change, private):
    running = private()
    browser = signed_in(running, "owner")
    token = browser.make_token()
    users = running.directory / "users.toml"
    text = users.read_text()
    start = text.index("[users.owner]")
    own = re.search(r'^password = "([^"]+)"', text[start:], re.MULTILINE)[1]
    other = next(each for each in re.findall(r'^password = "([^"]+)"', text, re.MULTILINE) if each != own)
    changed = text.replace("[users.owner]", "[users.other]") if change == "removed" else text.replace(own, other)
    users.write_text(changed)
    time.sleep(1.2)
    assert browser.get("/", follow=False).location == "/login"
    assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED


def test_no_other_name_of_the_place_is_answered(gateway):
    """A name made to lead here (DNS rebinding) has no pages, and nobody chooses where a page leads."""
    page = Browser(gateway).get("/login", follow=False, host="evil.example.com")
    assert (page.status, page.location) == (303, f"{gateway.http}/login")
    page = Browser(gateway).post("/login", {"user": "x"}, follow=False, host="evil.example.com")
    assert page.status == 403
    browser = signed_in(gateway, "owner")
    for path in ("/login?next=https://evil.example.com", "/?next=//evil.example.com", "//evil.example.com/%2f.."):
        page = browser.get(gateway.http + path, follow=False)
        assert page.status != 303 or page.location == "/", path


def test_nothing_a_stranger_writes_becomes_a_header(gateway):
    for path in (
        "/login/oidc/0%0d%0aset-cookie:%20x=y",
        "/login/callback?state=%0d%0ax:y&code=%0d%0a",
        "/?purpose=%0d%0a",
    ):
        page = signed_in(gateway, "owner").get(path)
        assert page.status in (200, 400, 401, 404), path
        assert not any(name.lower() == "x" for name in page.headers)


def test_large_and_odd_requests_are_refused(gateway):
    browser = Browser(gateway)
    csrf = browser.get("/login").hidden("csrf")
    assert browser.post("/login", {"csrf": csrf, "user": "x", "password": "y" * 20_000}).status == 413
    address, port = gateway.http.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port)), timeout=10) as stream:
        body = b"csrf=\xff&user=%ff&password=%zz"
        head = f"POST /login HTTP/1.1\r\nhost: {address}:{port}\r\ncontent-length: {len(body)}\r\n"
        stream.sendall(head.encode() + b"content-type: application/x-www-form-urlencoded\r\n\r\n" + body)
        assert stream.recv(4096).split(b" ")[1] in (b"400", b"403", b"422")


def test_pages_are_off_where_others_listen_in(private):
    running = private()
    running.stop()
    env = {"AIRSIDE_HTTP__ADDR": "0.0.0.0:0", "AIRSIDE_HTTP__PLAINTEXT_BEYOND_LOOPBACK": "true"}
    again = gateways.serve(running.directory / "airside.toml", running.log, env=env)
    try:
        browser = Browser("http://127.0.0.1:" + again.http.rsplit(":", 1)[1])
        for path in ("/", "/login", "/token"):
            page = browser.get(path)
            assert page.status == 403 and "TLS" in page.text
        assert browser.post("/login", {"user": "owner", "password": "demo-owner"}).status == 405
        assert browser.get("/healthz").status == 200
        assert "signing in is off" in again.log_text()
    finally:
        again.kill()


def test_without_configuration_there_are_no_pages_and_no_tokens(private):
    running = private()
    token = signed_in(running, "owner").make_token()
    running.stop()
    config = running.directory / "airside.toml"
    text = config.read_text()
    config.write_text(re.sub(r"\[http\.login\]|\[authn\.personal_tokens\]\ndir = .*\n", "", text))
    again = gateways.serve(config, running.log)
    try:
        assert [Browser(again).get(path).status for path in ("/", "/login", "/token")] == [404] * 3
        assert refused(bearer(again, token)) is StatusCode.UNAUTHENTICATED
        assert refused(Raw.connect(again.address, ("authorization", basic("owner", token)))) is (
            StatusCode.UNAUTHENTICATED
        )
    finally:
        again.kill()


def test_over_tls_cookies_are_for_https_alone(configured, tmp_path_factory):
    folder, authority = tmp_path_factory.mktemp("tls"), Authority("pages")
    server = authority.server()
    for name, pem in (("server.pem", server.certificate), ("server.key", server.key)):
        (folder / name).write_bytes(pem)
    tls = f'\n[tls]\ncertificate = "{folder}/server.pem"\nkey = "{folder}/server.key"\n'
    running = configured(tls)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    browser = Browser(running.http, context)
    lines = browser.get("/login").headers.get_all("set-cookie")
    assert all(line.startswith("__Host-airside") and line.endswith("; Secure") for line in lines)
    assert browser.sign_in("owner", running.users["owner"].password).path == "/"
    assert "useEncryption=true" in browser.get("/products/sales/orders").text
    assert f"grpc+tls://{running.address}" in browser.get("/products/sales/orders").text
    assert browser.make_token().startswith("airp_")


# --- identity providers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    running = Provider(tmp_path_factory.mktemp("oidc"), people=PEOPLE)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusting(configured, provider, tmp_path_factory):
    """A gateway whose people may sign in at the provider."""
    secret = tmp_path_factory.mktemp("secret") / "client"
    secret.write_text("pages-secret")
    return configured(
        f"""
[[authn.oidc]]
issuer = "{provider.issuer}"
audience = "{AUDIENCE}"
allow_http_loopback = true
[authn.oidc.login]
client_id = "pages"
client_secret = "file:{secret}"
label = "Example & Sons"
""",
        principals=with_groups_claim,
    )


def at_provider(browser: Browser, name: str) -> str:
    """Departs, signs in at the provider, and answers the address that it sends the browser back to."""
    form = browser.get("/login/oidc/0")
    assert "<form" in form.text, form
    page = browser.post(form.url, {"name": name}, follow=False)
    while not page.location.startswith(browser.base):
        page = browser.get(urllib.parse.urljoin(page.url, page.location), follow=False)
    return page.location


def arrive(browser: Browser, name: str):
    return browser.get(at_provider(browser, name))


@needs_node
def test_a_person_of_a_provider_signs_in(trusting, provider):
    browser = Browser(trusting)
    assert "Sign in with Example &amp; Sons" in browser.get("/login").text
    page = arrive(browser, "ada")
    assert (page.status, page.path) == (200, "/") and "ada" in page.text and "sales.orders" in page.text
    token = browser.make_token("from afar")
    assert bearer(trusting, token).read(ORDERS)
    options = {"username": "ada", "password": token}
    with adbc.connect(trusting.flight, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sales.orders")
    log = trusting.log_text()
    for secret in (token, "code=", "pages-secret"):
        assert secret not in log


@needs_node
def test_a_providers_groups_decide(trusting):
    browser = Browser(trusting)
    assert "no products" in arrive(browser, "noor").text
    assert refused(bearer(trusting, browser.make_token()), ORDERS) is StatusCode.NOT_FOUND


@needs_node
@pytest.mark.parametrize("name", ["overfull", "groupless", "steward"])
def test_who_would_be_refused_with_a_bearer_token_is_refused(name, trusting):
    """Incomplete groups, none at all, and a name that is not for the provider to give."""
    browser = Browser(trusting)
    page = arrive(browser, name)
    assert page.status == 401 and ("group" in page.text or name == "steward"), page.text
    assert browser.get("/", follow=False).location == "/login"


@needs_node
def test_many_groups_take_several_cookies(trusting):
    browser = Browser(trusting)
    page = arrive(browser, "everywhere")
    assert page.path == "/" and "sales.orders" in page.text
    session = [name for name in browser.cookies() if name.startswith("airside") and "form" not in name]
    assert len(session) > 1, browser.cookies().keys()
    assert bearer(trusting, browser.make_token()).read(ORDERS)
    browser.post("/logout", {"csrf": browser.csrf()})
    assert not browser.cookies().keys() & set(session)


@needs_node
def test_a_return_belongs_to_its_departure(trusting):
    browser = Browser(trusting)
    address = at_provider(browser, "ada")
    parts = urllib.parse.urlsplit(address)
    query = dict(urllib.parse.parse_qsl(parts.query))

    def again(victim: Browser, **changes: str | None):
        changed = {name: value for name, value in {**query, **changes}.items() if value is not None}
        return victim.get(f"/login/callback?{urllib.parse.urlencode(changed)}")

    # Login CSRF: the attacker's code in the victim's browser, departed or not.
    victim = Browser(trusting)
    assert again(victim).status == 401
    victim.get("/login/oidc/0")
    assert again(victim).status == 401
    for changes in (
        {"state": "x"},
        {"state": None},
        {"code": None},
        {"iss": "https://evil.example.com"},
        {"iss": None},
    ):
        # A departure is good for one return, be it a wrong one.
        departed = Browser(trusting)
        arrival = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(at_provider(departed, "ada")).query))
        changed = {name: value for name, value in {**arrival, **changes}.items() if value is not None}
        assert departed.get(f"/login/callback?{urllib.parse.urlencode(changed)}").status == 401, changes
        assert departed.get(f"/login/callback?{urllib.parse.urlencode(arrival)}").status == 401, changes
    assert again(browser).path == "/"
    assert again(browser).status == 401, "the same return once more"


@needs_node
def test_a_replayed_code_is_worth_nothing(trusting):
    """Even with the cookie of its departure: the provider gives tokens for a code once."""
    browser = Browser(trusting)
    address = at_provider(browser, "ada")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies().items() if "airside" in name)
    assert browser.get(address).path == "/"
    assert Browser(trusting).get(address, cookie=cookie).status == 401


@needs_node
def test_a_providers_refusal_is_told_without_its_words(trusting):
    browser = Browser(trusting)
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.get("/login/oidc/0", follow=False).location).query)
    said = {"error": "access_denied", "error_description": "<b>call 555</b>", "state": state["state"][0]}
    page = browser.get(f"/login/callback?{urllib.parse.urlencode(said)}")
    assert page.status == 401 and "555" not in page.text
    assert browser.get("/login/oidc/1").status == browser.get("/login/oidc/x").status == 404


@needs_node
def test_a_departure_says_what_pkce_wants(trusting, provider):
    page = Browser(trusting).get("/login/oidc/0", follow=False)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(page.location).query)
    assert page.location.startswith(provider.issuer) and query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{trusting.http}/login/callback"] and "openid" in query["scope"][0]
    assert len(query["state"][0]) >= 43 and len(query["nonce"][0]) >= 43


@needs_node
def test_an_issuer_that_is_gone_names_nobody(trusting, tmp_path):
    """Its people's tokens and sessions end with its configuration."""
    browser = Browser(trusting)
    arrive(browser, "ada")
    token = browser.make_token()
    directory = tmp_path / "copy"
    shutil.copytree(trusting.directory, directory, ignore=AUDIT)
    config = directory / "airside.toml"
    config.write_text(config.read_text().split('[[authn.oidc]]\nissuer = "http://127')[0])
    other = gateways.serve(config, tmp_path / "gateway.log")
    try:
        assert refused(bearer(other, token)) is StatusCode.UNAUTHENTICATED
    finally:
        other.kill()
