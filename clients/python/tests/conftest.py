"""The real gateway, started as the other clients' tests start it, and meshes as its users see them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import airside
import gateway as gateways
from gateway import Gateway

# Failures that tests bring about are over at once.
SOON = airside.Retry(attempts=8, first=0.05, longest=0.5)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The demo mesh. No test changes it."""
    directory = tmp_path_factory.mktemp("demo")
    running = gateways.demo(directory / "mesh", directory / "gateway.log")
    yield running
    assert running.stop() == 0, running.tail()
    assert "panicked" not in running.log_text(), running.tail(200)


@pytest.fixture(scope="session")
def mesh(gateway: Gateway) -> Iterator[Callable[..., airside.Mesh]]:
    """`mesh("analyst")`: the mesh as a user of the demo; a service shows its token."""
    opened: list[airside.Mesh] = []

    def connect(user: str, *, location: str | None = None, **options) -> airside.Mesh:
        if token := gateway.tokens.get(user):
            options = {"token": token, **options}
        else:
            options = {"user": user, "password": gateway.users[user].password, **options}
        opened.append(airside.connect(location or gateway.flight, **{"retry": SOON, **options}))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def configured(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways on copies of the demo mesh, with more configuration and with another `principals.toml`."""
    started: list[Gateway] = []

    def start(settings: str, principals: Callable[[str], str] = str, **options) -> Gateway:
        directory = tmp_path_factory.mktemp("configured")
        shutil.copytree(gateway.directory, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("audit"))
        config = directory / "airside.toml"
        config.write_text(config.read_text() + settings)
        file = directory / "mesh/governance/principals.toml"
        file.write_text(principals(file.read_text()))
        started.append(gateways.serve(config, directory / "gateway.log", **options))
        return started[-1]

    yield start
    for each in started:
        assert each.stop() == 0, each.tail()


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Callable[[str, Path], Gateway]]:
    """Starts a gateway on a configuration at an address that another one had."""
    started: list[Gateway] = []

    def start(address: str, config: Path) -> Gateway:
        env = {"AIRSIDE_FLIGHT__ADDR": address, "AIRSIDE_HTTP__ADDR": "127.0.0.1:0"}
        started.append(gateways.start(["serve", "--config", config], tmp_path / "restarted.log", env=env))
        return started[-1]

    yield start
    for each in started:
        each.kill()
