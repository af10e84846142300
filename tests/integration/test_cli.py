"""The `titleholder` command on real services."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

from support.stacks import tiny_rows
from titleholder.cli import local_stack
from titleholder.cli.main import app
from titleholder.errors import DataError, UsageError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("env")]


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_run_then_history_then_champion() -> None:
    done = invoke("run", "tiny", "--as-of", "2024-01-01", "--until", "2024-02-01", "--lane", "cli", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [r["as_of"] for r in rows] == ["2024-01-01", "2024-02-01"]
    assert rows[0]["kind"] == "promote"
    assert json.loads(invoke("history", "tiny", "--lane", "cli", "--json").stdout) == rows
    before = json.loads(invoke("champion", "tiny", "--lane", "cli", "--on", "2023-12-31", "--json").stdout)
    after = json.loads(invoke("champion", "tiny", "--lane", "cli", "--as-of", "2024-01-31", "--json").stdout)
    assert before["champion"] is None
    assert after["champion"]["version"] == rows[0]["challenger_version"]
    table = invoke("history", "tiny", "--lane", "cli").stdout
    assert "2024-01-01" in table
    assert "no champion yet" in table
    assert "The first champion: the challenger by itself failed no check" in " ".join(table.split())


def test_lanes_lists_those_with_decisions() -> None:
    assert invoke("run", "tiny", "--as-of", "2024-01-01", "--lane", "listed").exit_code == 0
    (found,) = [lane for lane in json.loads(invoke("lanes", "tiny", "--json").stdout) if lane["lane"] == "listed"]
    assert {key: found[key] for key in ("decisions", "versions", "first", "last")} == {
        "decisions": 1, "versions": 1, "first": "2024-01-01", "last": "2024-01-01",
    }  # fmt: skip
    assert "listed" in invoke("lanes", "tiny").stdout


def test_a_deleted_spec_does_not_hide_its_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke("run", "tiny", "--as-of", "2024-01-01", "--lane", "hidden")
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    assert len(json.loads(invoke("history", "tiny", "--lane", "hidden", "--json").stdout)) == 1
    assert "Known models: none" in str(invoke("history", "tinny").exception)


def test_models_names_broken_specs_with_exit_code_2() -> None:
    found = invoke("models", "--json")
    assert found.exit_code == 2
    listed = json.loads(found.stdout)
    assert {m["model"] for m in listed["models"]} == {
        "tiny",
        "tiny_amount",
        "tiny_asked",
        "tiny_crown",
        "tiny_fed",
        "tiny_hasty",
        "tiny_page",
        "tiny_signed",
        "tiny_wanted",
    }
    assert "minimun_gain" in listed["errors"]["broken"]


def test_an_unknown_model_is_a_usage_error_that_helps() -> None:
    result = invoke("history", "tinny")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "Did you mean 'tiny'" in str(result.exception)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_load_makes_a_table_and_refuses_to_overwrite_one(env: dict[str, str], tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"events{suffix}"
    frame = tiny_rows(months=1)
    frame.to_parquet(file) if suffix == ".parquet" else frame.to_csv(file, index=False)
    table = f"loaded_{suffix[1:]}"
    assert invoke("load", str(file), "--table", table).exit_code == 0
    again = invoke("load", str(file), "--table", table)
    assert "exists already; use --replace" in str(again.exception)
    assert invoke("load", str(file), "--table", table, "--replace").exit_code == 0
    with create_engine(env["AIRFLOW_CONN_WAREHOUSE"].replace("://", "+psycopg2://", 1)).connect() as reader:
        assert reader.exec_driver_sql(f"select count(*), sum(bad) from {table}").one()._tuple() == (
            400,
            int(frame["bad"].sum()),
        )


def test_load_shows_columns_and_types_and_what_came_as_text(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "loans.csv"
    rows = [f'{n},{n}.5,2024-01-{n % 28 + 1:02},"a {n}"' for n in range(20_000)]
    file.write_text("\n".join(["id,Loan Amount,issued,note", *rows, "20000,oops,2024-01-01,b"]))
    done = invoke("load", str(file), "--table", "loans_as_text", "--json")
    assert done.exit_code == 0, done.output
    loaded = json.loads(done.stdout)
    assert loaded["rows"] == 20_001
    assert [tuple(column.values()) for column in loaded["columns"]] == [
        ("id", "bigint", "id"),
        ("Loan Amount", "text", '"Loan Amount"'),
        ("issued", "date", "issued"),
        ("note", "text", "note"),
    ]
    (warning,) = loaded["warnings"]
    expected = (
        "Loan Amount came as text: 20,000 of its 20,001 values are numbers, 1 is not, such as 'oops' in row 20,001."
    )
    assert warning.startswith(expected)
    assert """nullif("Loan Amount", 'oops')::float8""" in warning
    query = """select sum(nullif("Loan Amount", 'oops')::float8) as total, max(issued) as newest from loans_as_text"""
    found = json.loads(invoke("sql", "-c", query, "--json").stdout)
    assert found == [{"total": sum(n + 0.5 for n in range(20_000)), "newest": "2024-01-28"}]
    shown = invoke("load", str(file), "--table", "loans_as_text", "--replace")
    assert 'select "Loan Amount" as loan_amount from loans_as_text' in shown.stderr
    assert "in SQL" in shown.stdout


def test_load_takes_what_csv_files_are(env: dict[str, str], tmp_path: Path) -> None:
    latin = tmp_path / "names.csv"
    latin.write_bytes("id;name\n1;Möller\n2;Meyer\n".encode("latin-1"))
    refused = invoke("load", str(latin), "--table", "names", "--delimiter", ";")
    assert isinstance(refused.exception, DataError)
    assert "row 1 of column 'name' has b'M\\xf6ller', which is not UTF-8" in str(refused.exception)
    assert "--encoding latin-1" in str(refused.exception)
    assert invoke("load", str(latin), "--table", "names", "--delimiter", ";", "--encoding", "latin-1").exit_code == 0
    found = json.loads(invoke("sql", "-c", "select name from names where id = 1", "--json").stdout)
    assert found == [{"name": "Möller"}]


@pytest.mark.usefixtures("env")
def test_load_says_where_times_lose_their_nanoseconds(tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    file.write_text(
        "n,at,kept,zoned\n"
        "1,2024-01-02 10:00:01.123456789,2024-01-02 10:00:01.123456,2024-01-02T10:00:01.123456789Z\n"
        "2,1969-12-31 23:59:59.999999999,1969-12-31 23:59:59.999999,\n"
    )
    loaded = json.loads(invoke("load", str(file), "--table", "times", "--json").stdout)
    assert loaded["warnings"] == [
        f"{name} has nanoseconds, which PostgreSQL does not keep: they were cut off" for name in ("at", "zoned")
    ]
    query = "select at = kept as same, zoned at time zone 'UTC' = kept as zoned from times order by n"
    found = json.loads(invoke("sql", "-c", query, "--json").stdout)
    assert found[0] == {"same": True, "zoned": True}


def test_sql_reads_and_cannot_write() -> None:
    table = invoke("sql", "-c", "select 1.50 as price, null as nothing, '[red]' as word")
    assert table.exit_code == 0, table.output
    assert table.stdout.split() == ["price", "nothing", "word", "1.50", "[red]"]
    refused = invoke("sql", "-c", "create table mine (id int)")
    assert isinstance(refused.exception, UsageError)
    assert "read-only transaction" in str(refused.exception)
    wrong = invoke("sql", "-c", "select nonsense from tiny")
    assert 'column "nonsense" does not exist' in str(wrong.exception)


def test_sql_reads_the_ledger_and_cannot_write(env: dict[str, str]) -> None:
    role = urlsplit(env["TITLEHOLDER_LEDGER_URL"]).username
    query = "select current_user as role, count(*) >= 0 as there from titleholder.current_scores"
    assert json.loads(invoke("sql", "--ledger", "-c", query, "--json").stdout) == [{"role": role, "there": True}]
    refused = invoke("sql", "--ledger", "-c", "insert into titleholder.reports default values")
    assert isinstance(refused.exception, UsageError)
    assert "read-only transaction" in str(refused.exception)


@pytest.mark.skipif(local_stack.psql() is None, reason="there is no psql")
def test_psql_reads_the_warehouse_and_cannot_write() -> None:
    command = [sys.executable, "-m", "titleholder.cli.main", "sql"]
    asked = "\\pset tuples_only\nselect current_user, count(*) from tiny;\ncreate table mine (id int);\n"
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-3:] == ["reader", "|", "7200"]
    assert "read-only transaction" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("load", "{file}", "--table", "Robert'); drop"), "a name is lower-case letters"),
        (("load", "{file}", "--table", "fine"), "ends in .parquet, .csv or .csv.gz"),
        (("load", "{file}", "--table", "pg_catalog.loans"), "schema pg_catalog belongs to PostgreSQL"),
        (("run", "tiny", "--as-of", "soon"), "is not a date; write it as YYYY-MM-DD"),
    ],
)
def test_bad_words_are_refused_with_what_would_be_right(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    result = invoke(*(w.replace("{file}", str(file)) for w in words))
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
