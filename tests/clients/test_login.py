"""People signing in to the gateway's pages: with a password, and at a certified identity provider."""

import re
import shutil
import urllib.parse

import adbc_driver_flightsql.dbapi as adbc
import pytest
from grpc import StatusCode

import gateway as gateways
from bearer import AUDIENCE, with_groups_claim
from browsing import ORDERS, Browser, bearer, refused, signed_in
from conftest import AUDIT
from provider import Provider, needs_node

PEOPLE = [
    {"name": "ada", "groups": ["sales_owners"]},
    {"name": "noor", "groups": ["guests"]},
    {"name": "overfull", "claims": {"_claim_names": {"groups": "src1"}}},
    {"name": "groupless"},
    {"name": "steward", "groups": ["stewards"]},
    {"name": "everywhere", "groups": ["sales_owners", *(f"group-{i:04}-of-a-large-company" for i in range(200))]},
]


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
