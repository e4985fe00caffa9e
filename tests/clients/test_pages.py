"""What the pages show, and whoever attacks them."""

import json
import re
import socket
import ssl
import time

import pytest
from grpc import StatusCode

import gateway as gateways
from browsing import Browser, bearer, refused, signed_in
from certificates import Authority
from test_authn import basic
from test_operation import ORDERS_CONTRACT, edit
from wire import Raw


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
