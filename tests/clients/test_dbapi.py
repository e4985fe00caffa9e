"""flightsql-dbapi, unmodified, in an environment of its own: the checks are in dbapi/."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from foreign import cases, reported
from gateway import Gateway

PYTHON = os.environ.get("AIRSIDE_DBAPI_PYTHON")
SOURCE = Path(__file__).parent / "dbapi/checks.py"

pytestmark = pytest.mark.skipif(PYTHON is None, reason="needs an environment of its own: run `make clients`")


@pytest.fixture(scope="module")
def outcomes(gateway: Gateway) -> dict[str, str]:
    given = {"GATEWAY": gateway.address, "TOKEN": gateway.tokens["service"]}
    return reported([PYTHON, SOURCE], env=os.environ | given)


def names() -> list[tuple[str]]:
    """Every check, as the source names them."""
    return [(name,) for name in re.findall(r"^def (check_\w+)", SOURCE.read_text(), re.MULTILINE)]


@pytest.mark.parametrize("check", cases(names()))
def test_dbapi(check, outcomes):
    assert not outcomes[check], outcomes[check]
