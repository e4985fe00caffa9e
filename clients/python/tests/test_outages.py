"""The real gateway behind a network that fails, and gone for a moment."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import airside
import gateway as gateways
from conftest import SOON
from proxy import Proxy


@pytest.fixture
def proxy(gateway):
    running = Proxy(gateway.address)
    yield running
    running.close()


def sorted_rows(table):
    return table.sort_by([("l_orderkey", "ascending"), ("l_linenumber", "ascending")])


@pytest.mark.parametrize("after", [0, 100_000, 1_000_000])
def test_a_connection_that_breaks_is_mended(mesh, proxy, after):
    truth = sorted_rows(mesh("steward")["sales.lineitem"].to_arrow())
    there = mesh("steward", location=proxy.uri)
    result = there["sales.lineitem"].query()
    proxy.cut(after)
    assert sorted_rows(result.to_arrow()) == truth
    assert proxy.cuts == 1
    proxy.cut()
    assert there.sql("SELECT count(*) AS n FROM sales.lineitem WHERE l_orderkey > ?", [0]).to_arrow()["n"].to_pylist()
    assert len(there.products()) > 3


def test_a_stream_that_breaks_while_it_is_read_says_so(mesh, proxy):
    result = mesh("steward", location=proxy.uri)["sales.lineitem"].query()
    batches = result.batches()
    seen = next(batches).num_rows
    proxy.cut(200_000)
    with pytest.raises(airside.Unavailable):
        for batch in batches:
            seen += batch.num_rows
    # It is the reader's to say whether to begin again.
    assert 0 < seen < result.to_arrow().num_rows


def test_a_gateway_that_starts_anew_is_found_again(gateway, restarted, tmp_path):
    directory = tmp_path / "demo"
    shutil.copytree(gateway.directory, directory, ignore=shutil.ignore_patterns("audit"))
    first = gateways.serve(directory / "airside.toml", tmp_path / "gateway.log")
    patient = airside.Retry(attempts=40, first=0.2, longest=1)
    user = gateway.users["analyst"]
    with airside.connect(first.flight, user=user.name, password=user.password, retry=patient) as mesh:
        result = mesh["geography.nation"].query()
        truth = result.to_arrow()
        address = first.address
        first.kill()
        with ThreadPoolExecutor() as readers:
            waiting = [readers.submit(result.to_arrow), readers.submit(mesh["geography.nation"].to_arrow)]
            time.sleep(0.5)
            assert not any(each.done() for each in waiting)
            restarted(address, directory / "airside.toml")
            assert [each.result(60) for each in waiting] == [truth, truth]


def test_a_gateway_that_is_not_there(mesh):
    with airside.connect("grpc://127.0.0.1:1", token="token", retry=SOON) as nobody:
        with pytest.raises(airside.Unavailable):
            nobody.products()
    with airside.connect("grpc://127.0.0.1:1", user="u", password="p", retry=SOON) as nobody:
        with pytest.raises(airside.Unavailable):
            nobody.products()


def test_a_plain_gateway_is_not_taken_for_an_encrypted_one(gateway):
    location = gateway.flight.replace("grpc://", "grpc+tls://")
    with airside.connect(location, token="token", retry=airside.Retry(attempts=1)) as mesh:
        with pytest.raises(airside.Unavailable):
            mesh.products()
