"""arrow-rs's command line client, unmodified."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    "AIRSIDE_FLIGHT_SQL_CLIENT" not in os.environ, reason="needs flight_sql_client: run `make clients`"
)


@pytest.fixture
def run(gateway):
    host, port = gateway.address.rsplit(":", 1)

    def client(user: str, *arguments: str, password: str | None = None) -> subprocess.CompletedProcess:
        known = gateway.users[user]
        return subprocess.run(
            [
                os.environ["AIRSIDE_FLIGHT_SQL_CLIENT"],
                *("--host", host, "--port", port),
                *("--username", user, "--password", password or known.password),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return client


def table(result: subprocess.CompletedProcess) -> list[list[str]]:
    """The cells of the table it prints, without its head."""
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_a_statement(run):
    sql = "SELECT r_name FROM geography.region ORDER BY r_name"
    names = [[name] for name in ("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST")]
    assert table(run("steward", "statement-query", sql)) == names


def test_a_prepared_statement(run):
    sql = "SELECT n_name FROM geography.nation WHERE n_nationkey = $1"
    assert table(run("steward", "prepared-statement-query", sql, "-p", "$1=7")) == [["GERMANY"]]


def test_catalogs_schemas_tables_and_types(run):
    assert table(run("owner", "catalogs")) == [["mesh"]]
    assert [row[1] for row in table(run("owner", "db-schemas", "mesh"))] == ["geography", "sales"]
    assert ["mesh", "sales", "orders", "TABLE"] in table(run("owner", "tables", "mesh"))
    assert table(run("owner", "table-types")) == [["TABLE"]]


def test_compressed_answers(run):
    sql = "SELECT count(*) FROM geography.nation"
    assert table(run("steward", "--accept-compression", "gzip", "statement-query", sql)) == [["25"]]


def test_errors_reach_the_caller(run):
    missing = run("owner", "statement-query", "SELECT * FROM marketing.customer_lifetime_value")
    assert missing.returncode != 0 and "not found" in missing.stderr
    wrong = run("nobody", "catalogs", password="wrong")
    assert wrong.returncode != 0
