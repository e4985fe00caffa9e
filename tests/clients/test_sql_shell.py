"""`airside sql`: scripts as a subprocess, the shell over a real terminal."""

import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import time

import pyarrow.parquet as pq
import pytest

import gateway as gateways
from gateway import binary

COUNT = "SELECT count(*) AS n FROM geography.nation"


@pytest.fixture
def sql(gateway, tmp_path):
    """`sql(*arguments, input=…)` as the analyst, unless said otherwise."""

    def run(*arguments, user="analyst", input=None):
        known = gateway.users[user]
        environment = os.environ | {"PW": known.password, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
        command = [binary(), "sql", "--url", gateway.flight, "--user", user, "--password", "env:PW", *arguments]
        return subprocess.run(
            command, input=input or "", capture_output=True, text=True, timeout=60, env=environment, check=False
        )

    return run


def test_a_script_is_answered_statement_by_statement(sql):
    names = "SELECT n_name, ';' AS s FROM geography.nation ORDER BY 1 LIMIT 2"
    script = f"{COUNT};\n\\format csv;\n-- a comment; not an end\n{names}"
    done = sql(input=script)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| 25 +\|", done.stdout)
    assert "n_name,s\nALGERIA,;\nARGENTINA,;\n" in done.stdout


def test_a_script_may_begin_with_a_command(sql):
    done = sql("-c", "\\format csv", "-c", COUNT)
    assert done.returncode == 0 and done.stdout == "n\n25\n", done.stderr
    assert sql(input=f"\\format json;\n{COUNT};").stdout == '{"n":25}\n'
    assert sql(input="\\d geography.region").stdout.startswith("geography.region\n")


def test_results_come_in_every_format(sql, tmp_path):
    query = "SELECT n_nationkey, n_name FROM geography.nation ORDER BY n_nationkey"
    read = list(csv.DictReader(io.StringIO(sql("--format", "csv", "-c", query).stdout)))
    assert len(read) == 25 and read[0]["n_name"] == "ALGERIA"
    lines = [json.loads(line) for line in sql("--format", "json", "-c", query).stdout.splitlines()]
    assert lines[24] == {"n_nationkey": 24, "n_name": "UNITED STATES"}
    file = tmp_path / "nation.parquet"
    done = sql("--format", "parquet", "--output", file, "-c", query)
    assert done.returncode == 0 and "25 rows" in done.stderr
    assert pq.read_table(file).column("n_name").to_pylist() == [line["n_name"] for line in lines]
    table = sql("--rows", "3", "--timing", "-c", query)
    assert table.stdout.count("| ") >= 4 and "3 rows; there are more" in table.stderr and "all in" in table.stderr


def test_an_error_is_the_gateways_own_and_ends_the_script(sql):
    done = sql("-c", "SELECT nothing FROM geography.nation", "-c", COUNT)
    assert done.returncode == 1
    assert "nothing" in done.stderr and "25" not in done.stdout
    assert "not found" in sql("-c", "SELECT * FROM geography.nations").stderr


def test_who_one_is_and_why_decides(sql, gateway):
    hidden = sql("-c", "SELECT * FROM sales.orders", user="nobody")
    assert hidden.returncode == 1 and "not found" in hidden.stderr
    wrong = gateways.run("sql", "--url", gateway.flight, "--user", "analyst", "--password", "env:PW", env={"PW": "x"})
    assert wrong.returncode == 1 and "Unauthenticated" in wrong.stderr or "credentials" in wrong.stderr
    nobody = gateways.run("sql", "--url", gateway.flight)
    assert nobody.returncode == 1 and "say who you are" in nobody.stderr
    reason = sql("--purpose", "reporting", "-c", "SELECT c_phone FROM customers.customer LIMIT 1", "-c", "\\receipt")
    assert "purpose  reporting" in reason.stdout and "c_phone is masked: partial" in reason.stdout


PROMPT = "mesh> "


class Terminal:
    """The shell on a terminal."""

    def __init__(self, gateway, home):
        environment = os.environ | {
            "PW": gateway.users["analyst"].password,
            "XDG_STATE_HOME": str(home),
            "TERM": "xterm",
        }
        self.master, slave = pty.openpty()
        command = [binary(), "sql", "--url", gateway.flight, "--user", "analyst", "--password", "env:PW"]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.seen = ""
        self.expect(PROMPT)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def ask(self, text: str, *shown: str) -> None:
        """Types `text`, sees what is `shown`, and waits for the prompt: what is typed earlier can be lost."""
        self.type(text)
        for what in shown:
            self.expect(what)
        self.expect(PROMPT)

    def expect(self, what: str, timeout: float = 30) -> str:
        """What was shown up to `what`."""
        end = time.monotonic() + timeout
        while what not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {what!r} in {self.seen!r}"
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        before, self.seen = self.seen.split(what, 1)
        return before

    def close(self) -> int:
        self.type("\\q\n")
        try:
            return self.process.wait(timeout=20)
        finally:
            self.process.kill()
            os.close(self.master)


def test_the_shell_completes_answers_and_remembers(gateway, tmp_path):
    shell = Terminal(gateway, tmp_path)
    shell.ask("SELECT count(*) AS n FROM geography.nat\t;\n", "geography.nation", "| 25")
    shell.ask("SELECT 1\n+ 41 AS answer;\n", "| 42")
    shell.ask("\\d geography.region\n", "r_name")
    shell.ask("\\nonsense\n", "lists what there is")
    shell.ask("SELECT oops;\n", "`oops` not found")
    assert shell.close() == 0
    history = tmp_path / "airside" / "sql_history"
    assert history.stat().st_mode & 0o077 == 0
    assert "geography.nation" in history.read_text()
