"""The official validator's verdict over the corpus of contracts.

Airside's own half is a Rust test (`product::odcs`): it accepts every file of tests/contracts/good and refuses
every file of tests/contracts/bad. Here the official validator is held to the same, so the two agree.

A contract counts as officially valid when both ways of asking say so:

- `datacontract lint`, with the rules that it adds to the standard's JSON Schema. For speed it drops the
  schema's `unevaluatedProperties` and only warns of unknown keys.
- `datacontract lint --json-schema`, with the whole schema that its package brings along.
"""

import importlib.resources
import socket
from pathlib import Path

import pytest
from datacontract.data_contract import DataContract
from jsonschema import Draft201909Validator

CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"
SCHEMA = importlib.resources.files("datacontract") / "schemas" / "odcs-3.2.0.schema.json"


def corpus(kind):
    files = sorted((CONTRACTS / kind).glob("*.odcs.yaml"))
    return [pytest.param(file, id=file.name.removesuffix(".odcs.yaml")) for file in files]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("the validator went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session", autouse=True)
def schemas_checked_once():
    """The validator checks its own schema at every call, which takes far longer than the contract."""
    check, checked = Draft201909Validator.check_schema, set()

    def once(schema, *args, **kwargs):
        text = repr(schema)
        if text not in checked:
            check(schema, *args, **kwargs)
            checked.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft201909Validator, "check_schema", once)
        yield


def lint(file, **options):
    run = DataContract(data_contract_file=str(file), inline_references=False, **options).lint()
    return [check.reason for check in run.checks if check.result not in ("passed", "warning")], run


def official_faults(file):
    faults, run = lint(file)
    # Another kind of document would be judged by another standard's rules, and pass with a warning.
    names = [check.name for check in run.checks]
    if not faults and not any("valid against ODCS v3" in name for name in names):
        faults.append(f"not judged as ODCS: {names}")
    return faults + lint(file, schema_location=str(SCHEMA))[0]


@pytest.mark.parametrize("file", corpus("good"))
def test_official_validator_accepts(file):
    assert official_faults(file) == []


@pytest.mark.parametrize("file", corpus("bad"))
def test_official_validator_refuses(file):
    assert official_faults(file) != []


def test_corpus_is_large():
    assert len(corpus("good")) + len(corpus("bad")) >= 40
