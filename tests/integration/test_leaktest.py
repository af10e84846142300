"""The leak test on the real PostgreSQL: every model of this repository passes, and each kind of leak is found."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from support.stacks import MODELS
from support.time_world import LOANS, a_lender, changed, execute, load_loans, needs_loans, shipped
from titleholder.cli.main import app
from titleholder.data.leakage.leaktest import leaktest
from titleholder.data.leakage.report import LeakReport
from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.settings import connection_url
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import TableHistory

pytestmark = pytest.mark.slow
AS_OF = date(2023, 6, 1)
OURS = sorted(load_specs(DEFAULT_FOLDER).models.values(), key=lambda s: s.name)
TINY = {
    (s.sql, repr((s.source, s.columns, s.windows, s.judgement.confidence))): s
    for s in sorted(load_specs(MODELS).models.values(), key=lambda s: s.name, reverse=True)
}
"""Of the models of the tests that differ in nothing that a leak test reads, the first: tiny_asked, tiny_crown, tiny_hasty and
tiny_page are tiny under other names, and tiny_wanted is tiny_fed."""


@pytest.fixture(scope="module", autouse=True)
def books(state: object) -> None:
    from localstack.settings import environment

    a_lender(environment(state)["TITLEHOLDER_LOADER_URL"])  # type: ignore[arg-type]


def check(spec: ModelSpec, as_of: date = AS_OF) -> LeakReport:
    return leaktest(spec, as_of, url=connection_url("warehouse"))


def columns(found: LeakReport) -> set[str]:
    return {leak.column for leak in found.leaks}


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("spec", [*OURS, *TINY.values()], ids=lambda s: s.name)
def test_every_model_of_the_repository_passes(spec: ModelSpec) -> None:
    dates = {"lending": date(2011, 7, 1), "tiny": date(2024, 3, 1)}
    if spec.name.startswith("lending"):
        if not LOANS.exists():
            pytest.skip("the real loans (../shared/data/lending_club.parquet) are not here")
        load_loans()
    found = check(spec, dates.get(spec.name.partition("_")[0], AS_OF))
    assert found.leaks == ()
    assert found.untested == ()
    assert found.outcome == "clean"
    assert found.rows > 100
    assert found.events.rows > 1000
    assert found.events.vanished < 0.02 * found.events.rows, "inner joins to facts that change"
    assert len(set(found.hashes.values())) == 1
    assert all(
        table.later_facts > 0 and table.synthetic_facts > 100 and table.exchanged_facts > 100 for table in found.tables
    )


LEAKY = {
    "rows recorded later": ("demo_default", [("and recorded_at <= :as_of\n", "\n")], "rows"),
    "the newest outcome, whenever it was recorded": (
        "demo_default",
        [("    where outcomes.recorded_at <= :as_of\n", "")],
        "defaulted",
    ),
    "the day it happened for the day it was known": (
        "demo_default",
        [("where outcomes.recorded_at <= :as_of", "where outcomes.occurred_on <= :as_of")],
        "defaulted",
    ),
    "a cut-off a day too late": (
        "demo_default",
        [("outcomes.recorded_at <= :as_of", "outcomes.recorded_at <= :as_of + interval '1 day'")],
        "defaulted",
    ),
    "the clock for as_of": (
        "demo_default",
        [("outcomes.recorded_at <= :as_of", "outcomes.recorded_at <= now()")],
        "defaulted",
    ),
    "an average over everything": (
        "demo_default",
        [
            (
                "    loans.amount,\n",
                "    loans.amount / (select avg(a.amount) from lender.applications a where a.channel = loans.channel)"
                " as amount,\n",
            )
        ],
        "amount",
    ),
    "the version in force now": (
        "demo_loss",
        [
            ("          and unemployment.recorded_from <= loans.applied_at\n", "          and unemployment.valid_from <= loans.applied_at\n"),
            ("(unemployment.recorded_to > loans.applied_at or unemployment.recorded_to is null)", "unemployment.recorded_to is null"),
        ],
        "unemployment",
    ),
    "rows recorded later, behind an inner join": ("demo_loss", [("      and recorded_at <= :as_of\n", "")], "rows"),
    "a payment noted later": (
        "demo_loss",
        [("    where instalments.recorded_at <= :as_of\n      and", "    where")],
        "unpaid_share",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("what", LEAKY)
def test_a_leak_is_found_and_names_its_column_and_a_row(what: str) -> None:
    model, edits, column = LEAKY[what]
    found = check(changed(shipped(model), *edits))
    assert column in columns(found)
    leak = next(leak for leak in found.leaks if leak.column == column)
    assert leak.rows > 0
    assert leak.entity.isdigit()
    assert leak.before != leak.after
    assert found.outcome == "leak"


@pytest.mark.usefixtures("env")
def test_columns_may_have_percent_signs_in_their_names() -> None:
    """It ended with a ValueError about a format character."""
    renamed = {"id": "id %(x)s", "happened_at": "at %", "price": "price %s {}"}
    spec = load_specs(MODELS, only="tiny")["tiny"]
    names = spec.columns
    spec = changed(spec, *((f"{old}, ", f'{old} as "{new}", ') for old, new in renamed.items()))
    columns = names.model_copy(
        update={
            "entity": renamed["id"], "event_time": renamed["happened_at"],
            "numeric": tuple(renamed.get(name, name) for name in names.numeric),
        }
    )  # fmt: skip
    assert check(spec.model_copy(update={"columns": columns}), date(2024, 3, 1)).outcome == "clean"


@needs_loans
@pytest.mark.usefixtures("env")
def test_an_outcome_overwritten_in_place_is_found() -> None:
    load_loans()
    leaky = changed(
        shipped("lending_club_default"),
        ("<= :as_of\n            and charged_off_at < issued_at + interval '18 months'", "is not null"),
    )
    found = check(leaky, date(2011, 7, 1))
    assert columns(found) >= {"charged_off"}
    assert found.untested == ()
    paid = changed(
        shipped("lending_club_default"), ("    loan_amnt,\n", "    loan_amnt + 0 * total_pymnt as loan_amnt,\n")
    )
    found = check(paid, date(2011, 7, 1))
    assert found.outcome == "not tested"
    (reason,) = found.untested
    assert reason.startswith("public.lending_club is overwritten in place, and of total_pymnt the spec does not")


@pytest.mark.usefixtures("env")
def test_a_leak_behind_views_is_found(env: dict[str, str]) -> None:
    """Views over views, quoted names, a table called twice, and one that only a view reads."""
    loader = env["TITLEHOLDER_LOADER_URL"]
    execute(
        loader,
        'drop schema if exists "odd Mart" cascade',
        'create schema "odd Mart"',
        'create view "odd Mart"."Known Outcomes" as select * from lender.outcomes',
        'create view "odd Mart".endings as select o.* from "odd Mart"."Known Outcomes" o '
        "where not exists (select from lender.outcomes l where l.application_id = o.application_id "
        "and l.recorded_at > o.recorded_at)",
    )
    spec = shipped("demo_default")
    through = ("    from lender.outcomes\n", '    from "odd Mart".{} as outcomes\n')
    correct = changed(spec, (through[0], through[1].format('"Known Outcomes"')))
    assert check(correct).leaks == ()
    leaky = changed(spec, (through[0], through[1].format("endings")))
    assert columns(check(leaky)) >= {"defaulted"}
    execute(loader, 'drop schema "odd Mart" cascade')


@pytest.mark.usefixtures("env")
def test_a_query_that_depends_on_a_primary_key_is_tested_too() -> None:
    """GROUP BY the key, SELECT other columns: without the key PostgreSQL would refuse it."""
    cut_off = "      and recorded_at <= :as_of\n"
    grouped = changed(shipped("demo_default"), (cut_off, f"{cut_off}    group by application_id\n"))
    assert check(grouped).leaks == ()
    leaky = changed(shipped("demo_default"), (cut_off, "    group by application_id\n"))
    assert columns(check(leaky)) == {"rows"}


@pytest.mark.usefixtures("env")
def test_rows_that_are_repeated_are_found() -> None:
    """Later facts that only repeat a row: the values are right, the number of rows is not."""
    leaky = changed(
        shipped("demo_default"),
        (
            "left join endings on",
            "left join lender.outcomes o on o.application_id = loans.application_id\nleft join endings on",
        ),
    )
    assert columns(check(leaky)) == {"rows"}


def with_tables(spec: ModelSpec, tables: dict[str, object]) -> ModelSpec:
    return spec.model_copy(update={"source": spec.source.model_copy(update={"tables": tables})})


@pytest.mark.usefixtures("env")
def test_every_table_must_be_declared_and_all_errors_come_at_once() -> None:
    spec = with_tables(
        shipped("demo_default"), {"lender.outcomes": TableHistory(known_at="recorded_at"), "lender.nix": "static"}
    )
    with pytest.raises(UsageError) as error:
        check(spec)
    assert "source.tables does not declare lender.applications, which the query reads" in str(error.value)
    assert "source.tables declares lender.nix, which the query does not read" in str(error.value)
    static = with_tables(spec, dict.fromkeys(["lender.applications", "lender.outcomes"], "static"))
    assert [(f.kind, f.sentence) for f in check(static).findings] == [
        ("not tested", "every table is declared static: no later facts can be inserted.")
    ]
    with pytest.raises(UsageError, match="no column known; it has application_id, status"):
        check(with_tables(spec, {"lender.applications": "static", "lender.outcomes": TableHistory(known_at="known")}))


@pytest.mark.usefixtures("env")
def test_a_table_that_is_not_declared_is_not_tested() -> None:
    spec = with_tables(shipped("demo_default"), {"lender.outcomes": TableHistory(known_at="recorded_at")})
    found = check(spec)
    assert found.outcome == "not tested"
    (reason,) = found.untested
    assert reason.startswith("source.tables does not declare lender.applications, which the query reads")
    assert "`lender.applications: static`" in reason


@pytest.mark.usefixtures("env")
def test_a_static_table_gets_no_synthetic_facts() -> None:
    """Declared static by mistake, it hides the leak: the test relies on the declaration."""
    leaky = changed(shipped("demo_default"), ("    where outcomes.recorded_at <= :as_of\n", ""))
    hidden = with_tables(
        leaky, {"lender.applications": TableHistory(known_at="recorded_at"), "lender.outcomes": "static"}
    )
    assert [t.table for t in check(hidden).tables] == ["lender.applications"]


@pytest.mark.usefixtures("env")
def test_errors_name_their_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = shipped("demo_default")
    with pytest.raises(UsageError, match="lies in the future"):
        check(spec, date(2999, 1, 1))
    with pytest.raises(UsageError, match="no rows as of 2012-01-01"):
        check(spec, date(2012, 1, 1))
    with pytest.raises(
        DataError, match=r"demo_default.sql, line \d+ \(.*nowhere.*\) failed in the warehouse: relation .*nowhere"
    ):
        check(changed(spec, ("from lender.outcomes", "from lender.nowhere")))
    with pytest.raises(ServiceError, match="cannot be reached"):
        leaktest(spec, AS_OF, url="postgresql://reader:secret@127.0.0.1:1/warehouse")


def test_nothing_is_left_in_the_warehouse(env: dict[str, str]) -> None:
    def content() -> list[tuple[object, ...]]:
        engine = create_engine(env["TITLEHOLDER_LOADER_URL"])
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                    "where n.nspname !~ '^pg_t' order by 1, 2"
                )
            ).all()
            found += connection.execute(text("select * from lender.outcomes order by 1, 5")).all()
        engine.dispose()
        return [tuple(row) for row in found]

    before = content()
    assert check(shipped("demo_default")).outcome == "clean"
    assert content() == before


def test_the_command(env: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(DEFAULT_FOLDER))
    done = CliRunner().invoke(app, ["leaktest", "demo_default", "--as-of", "2023-06-01", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["outcome"] == "clean"
    assert report["untested"] == []
    assert {t["table"] for t in report["tables"]} == {"lender.applications", "lender.outcomes"}
    sql = (DEFAULT_FOLDER / "demo_default.sql").read_text().replace("    where outcomes.recorded_at <= :as_of\n", "")
    (tmp_path / "demo_default.sql").write_text(sql)
    (tmp_path / "demo_default.yaml").write_text((DEFAULT_FOLDER / "demo_default.yaml").read_text())
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    done = CliRunner().invoke(app, ["leaktest", "demo_default", "--as-of", "2023-06-01"])
    assert done.exit_code == 1, done.output
    assert "defaulted" in done.output
    assert "lender.outcomes" in done.output


def test_a_role_without_temporary_tables_gets_the_grant_it_needs(env: dict[str, str]) -> None:
    loader = env["TITLEHOLDER_LOADER_URL"]
    execute(loader, "revoke temporary on database warehouse from reader")
    try:
        with pytest.raises(DataError, match=r"temporary tables.*GRANT TEMPORARY ON DATABASE"):
            check(shipped("demo_default"))
    finally:
        execute(loader, "grant temporary on database warehouse to reader")


@pytest.mark.usefixtures("env")
def test_a_table_without_later_facts_in_which_none_can_be_planted_is_not_tested(env: dict[str, str]) -> None:
    execute(
        env["TITLEHOLDER_LOADER_URL"],
        "create table lender.empty (application_id bigint, recorded_at timestamptz)",
        "grant select on lender.empty to public",
    )
    try:
        join = "left join lender.empty e on e.application_id = loans.application_id\nleft join endings on"
        spec = changed(shipped("demo_default"), ("left join endings on", join))
        history = {**spec.source.tables, "lender.empty": TableHistory(known_at="recorded_at")}
        found = check(with_tables(spec, history))
    finally:
        execute(env["TITLEHOLDER_LOADER_URL"], "drop table lender.empty")
    assert found.outcome == "not tested"
    (reason,) = found.untested
    assert reason.startswith(
        "nothing in lender.empty became known after the as-of date, and nothing could be planted: choose"
    )
