"""From a table to a model that is ready to run: `titleholder new` and `titleholder check` on the real PostgreSQL."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sklearn.metrics import r2_score, roc_auc_score
from typer.testing import CliRunner, Result

from localstack.settings import environment
from localstack.state import State
from support import first_tables
from support.time_world import execute
from titleholder.cli.main import app
from titleholder.data import table_reader
from titleholder.errors import ServiceError, UsageError
from titleholder.settings import connection_url
from titleholder.spec.loader import load_specs, models_folder
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql_tokens import significant
from titleholder.workflow.preflight import run as preflight
from titleholder.workflow.preflight.report import Preflight

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def tables(state: State) -> str:
    url = environment(state)["TITLEHOLDER_LOADER_URL"]
    first_tables.fill(url, "loans", first_tables.loans(), key="loan_id")
    first_tables.fill(url, "bikes", first_tables.bikes())
    first_tables.fill(url, "Flights 2026", first_tables.flights())
    first_tables.fill(url, "sales", first_tables.sales())
    first_tables.fill(url, "shop_days", first_tables.shop_days())
    first_tables.fill(url, "agency", first_tables.small_business())
    first_tables.fill(url, "parcels", first_tables.parcels(), key="parcel_id")
    first_tables.fill(url, "loan_book", first_tables.loan_book(), key="loan_id")
    first_tables.fill(url, "panel", first_tables.panel())
    first_tables.fill(url, "german_book", first_tables.german_book())
    first_tables.fill(url, "payments", first_tables.payments(), key="payment_id")
    first_tables.fill(url, "claims", first_tables.claims(), key="vorgang")
    execute(url, "drop view if exists firsts.seen", "create view firsts.seen as select * from firsts.loans")
    return url


@pytest.fixture
def folder(env: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    return tmp_path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def new(model: str, table: str, *words: str) -> ModelSpec:
    done = invoke("new", model, "--from", table, *words)
    assert done.exit_code == 0, done.output
    assert f"Next: titleholder check {model}" in done.output
    spec = load_specs(only=model)[model]
    said = " ".join(done.output.split())
    assert f"Schedule {spec.schedule} (" in said
    written = yaml.safe_load((models_folder() / f"{model}.yaml").read_text())["windows"]
    assert f"models are trained on {written['train']} and judged on {written['holdout']}." in said
    return spec


def check(model: str, *words: str) -> Preflight:
    done = invoke("check", model, "--json", *words)
    found = json.loads(done.stdout)
    report = Preflight.model_validate({k: v for k, v in found.items() if k != "exit_code"})
    assert done.exit_code == report.exit_code == found["exit_code"]
    return report


def outcomes(report: Preflight) -> dict[str, str]:
    """The worst outcome of each step."""
    order = ["ok", "warning", "not tested", "fault"]
    found: dict[str, str] = {}
    for f in report.findings:
        found[f.step] = max(found.get(f.step, "ok"), f.outcome, key=order.index)
    return found


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)


def declare(path: Path) -> None:
    """Take the comments away from the first declaration of the table, as the file asks for."""
    text = path.read_text()
    edited = re.sub(r"  # tables:\n  # (.*known_at.*)\n", r"  tables:\n  \1\n", text, count=1)
    assert edited != text
    path.write_text(edited)


STEPS = [step.name for step in preflight.STEPS if step.name != "scoring"]  # of specs with a scoring query only
FRESH = {**dict.fromkeys(STEPS, "ok"), "spec": "warning"}
"""The outcomes of files that `new` wrote and in which places are still marked CHECK."""
THIN = {**FRESH, "as-of dates": "warning"}
"""The same of a table whose months have too few rows of the rarer class for a backtest."""


def test_an_honest_table_is_ready_as_it_was_written(folder: Path) -> None:
    """Monthly credit: the row is recorded when its outcome is known."""
    spec = new("loan_default", "firsts.loans")
    assert (spec.task, spec.schedule) == ("classification", "@monthly")
    names = spec.columns
    assert (names.entity, names.event_time, names.known_at, names.target) == (
        "loan_id", "applied_at", "recorded_at", "defaulted",
    )  # fmt: skip
    assert names.numeric == ("amount", "income", "bureau_score", "monthly_income_text")
    assert (names.categorical, names.protected) == (("purpose",), ("gender",))
    assert str(spec.windows.label_maturity) == "6 months", "99 of 100 are recorded within 180 days"
    sql = (folder / "loan_default.sql").read_text()
    assert "7 of 6,000 are no number and become null" in sql
    assert "recovered: its gaps correlate 1.00 with the outcome" in sql
    report = check("loan_default")
    assert outcomes(report) == THIN
    leaks, trusted = (f.explanation for f in report.findings if f.step == "leaks")
    assert trusted.startswith("Assumed: ")
    assert trusted.endswith("of firsts.loans are never overwritten.")
    assert str(report.as_of) == "2024-06-01", "the last tick with a whole holdout"
    alone = invoke("leaktest", "loan_default", "--as-of", "2024-01-01")
    assert alone.exit_code == 0, "a holdout earlier, so that there are later facts"
    said = " ".join(alone.stdout.split())
    assert leaks.removeprefix("No leak. ") in said, "the same sentences"
    assert trusted in said
    asked = preflight.check("loan_default", report.as_of)
    assert next(f for f in asked.findings if f.step == "leaks").explanation == leaks, "asked for or not"
    ran = invoke("run", "loan_default", "--as-of", "2024-06-01", "--lane", "firsts", "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)[0]["kind"] in ("promote", "reject")


def test_hourly_demand_is_a_regression_and_what_cannot_be_tested_is_said(folder: Path) -> None:
    spec = new("bike_demand", "firsts.bikes")
    assert (spec.task, spec.columns.target, spec.columns.known_at) == ("regression", "count", None)
    assert spec.columns.numeric == ("hour", "working_day", "temp", "casual", "day_of_week")
    assert (spec.schedule, str(spec.windows.holdout)) == ("@daily", "7 days"), "rows are an hour apart"
    assert spec.judgement.checks.too_good.ceilings["r2"] == 0.98, "the hour explains much"
    assert spec.source.tables == {}
    assert "no column says when a row became known" in (folder / "bike_demand.yaml").read_text()
    report = check("bike_demand")
    assert report.exit_code == 4
    assert outcomes(report) == {**FRESH, "newest facts": "not tested", "leaks": "not tested"}
    declare(folder / "bike_demand.yaml")
    assert outcomes(check("bike_demand")) == FRESH


def test_names_with_capitals_and_spaces_are_quoted_and_get_plain_names(folder: Path) -> None:
    spec = new("flight_delay", "firsts.Flights 2026")
    assert spec.schedule == "@daily"
    assert spec.columns.all == [
        "row_id", "fl_date", "delayed", "distance", "busy", "carrier", "origin_airport",
    ]  # fmt: skip
    sql = (folder / "flight_delay.sql").read_text()
    assert '"Origin Airport" as origin_airport' in sql
    assert re.search(r"1 is Y \([\d,]+ rows\); 0 is every other value: N \([\d,]+ rows\)", sql)
    assert "TailNum: 4,402 different texts" in sql
    declare(folder / "flight_delay.yaml")
    assert outcomes(check("flight_delay")) == FRESH


def test_names_with_percent_signs_and_line_breaks_are_names_and_no_code(folder: Path, tables: str) -> None:
    """As headers of spreadsheets have them: `%s` was taken for a parameter, and a line break ended a comment."""
    odd = {"loan_id": "loan %", "amount": "used %s", "purpose": "purpose\nof loan", "officer_note": "note\rselect %(x)s",
           "recorded_at": "recorded at\nnotifications: {slack: {}}", "recovered": "recovered\nor true"}  # fmt: skip
    first_tables.fill(tables, "odd", first_tables.loans().rename(columns=odd))
    spec = new("odd", "firsts.odd")
    assert spec.notifications.slack is None
    assert spec.columns.numeric == ("used_s", "income", "bureau_score", "monthly_income_text")
    assert (spec.columns.entity, spec.columns.categorical) == ("loan", ("purpose_of_loan",))
    assert "or" not in [token.identifier for token in significant(spec.sql) if token.kind == "word"]
    assert outcomes(check("odd")) == THIN


def test_texts_that_are_dates_and_numbers_are_cast(folder: Path) -> None:
    """A weekly quantile: the metric is changed by hand."""
    spec = new("shop_sales", "firsts.sales", "--task", "regression")
    assert (spec.schedule, spec.columns.target) == ("@weekly", "units")
    edit(
        folder / "shop_sales.yaml",
        ("metric: rmse", "metric: pinball\n  quantile: 0.9"),
        ("Ridge", "QuantileRegressor"),
        ("search: {alpha: {low: 0.1, high: 1000, log: true}}", "params: {alpha: 0.0}"),
    )
    assert outcomes(check("shop_sales")) == {
        **FRESH,
        "newest facts": "not tested",
        "leaks": "not tested",
    }


def test_a_panel_of_customers_names_its_cluster_and_tests_it_for_leaks(folder: Path) -> None:
    """The customer is an identifier and no feature, so that nothing said whether it is overwritten: not tested."""
    spec = new("panel", "firsts.panel")
    assert (spec.columns.entity, spec.columns.cluster) == ("row_id", "customer_id")
    assert "customer_id" not in spec.columns.features
    assert "customer_id: an identifier" in (folder / "panel.sql").read_text()
    assert outcomes(check("panel")) == FRESH


def test_daily_rows_of_many_shops_are_retrained_weekly(folder: Path) -> None:
    """Also where a serial number, rather than shop and day, tells rows apart."""
    spec = new("shop_days", "firsts.shop_days")
    assert (spec.columns.entity, spec.schedule, str(spec.windows.holdout)) == ("id", "@weekly", "28 days")
    declare(folder / "shop_days.yaml")
    assert outcomes(check("shop_days")) == FRESH
    assert "# rows of one shop are 1 day apart, over 700 days" in (folder / "shop_days.yaml").read_text()


def test_dates_amounts_and_blanks_as_agencies_write_them(folder: Path) -> None:
    spec = new("agency", "firsts.agency")
    names = spec.columns
    assert (names.entity, names.event_time, names.target) == ("loan_nr", "approval_date", "mis_status")
    assert (names.numeric, names.categorical) == (("no_emp", "gr_appv"), ("state", "rev_line_cr"))
    sql = (folder / "agency.sql").read_text()
    assert "ChgOffPrinGr: " in sql
    label = " ".join(sql.split())
    assert """cast(nullif(btrim("ChgOffDate"), '') as timestamp) <= :as_of""" in label
    assert """< cast("ApprovalDate" as timestamp) + interval '23 months', false)::int as mis_status""" in label
    assert names.outcome_at == "chg_off_date"
    assert """case when cast(nullif(btrim("ChgOffDate"), '') as timestamp) <= :as_of""" in label
    assert "the newest outcomes of 20" in (folder / "agency.yaml").read_text()
    assert "nullif(btrim(\"State\"), '') as state" in sql
    assert str(spec.windows.label_maturity) == "1 year 11 months", "99 of 100 charge-offs come within 700 days"
    assert outcomes(check("agency")) == THIN, "the outcome counts from its date on"


def test_values_tell_codes_times_and_the_date_of_the_outcome_in_any_language(folder: Path) -> None:
    """Codes became numbers, times of day no dates, and an outcome counted before its date, by names in English only."""
    spec = new("german_book", "firsts.german_book", "--target", "Ausgefallen")
    names = spec.columns
    assert (names.entity, names.event_time, names.outcome_at) == ("kreditnr", "auszahlung", "meldung")
    assert "branche" in names.categorical
    sql = (folder / "german_book.sql").read_text()
    assert "Konto: 2,000 different texts" in sql
    assert "-- CHECK Gewicht: `1,234` is read as 1234. Is the comma its decimal mark?" in sql
    assert """to_timestamp("Auszahlung", 'DD.MM.YYYY HH24:MI:SS') as auszahlung""" in sql
    assert str(spec.windows.label_maturity) == "4 months", "99 of 100 are reported within 114 days"
    assert outcomes(check("german_book")) == THIN, "the outcome counts from its date on"
    with table_reader.reading(connection_url("warehouse"), "firsts.german_book", "warehouse") as reader:
        paid_out = reader.profile().column("Auszahlung")
    first = min(pd.to_datetime(first_tables.german_book()["Auszahlung"], format="%d.%m.%Y %H:%M", utc=True))
    assert paid_out.first == first.to_pydatetime(), "to the minute"


def test_a_text_with_an_offset_keeps_its_moment_and_one_that_is_ambiguous_is_to_be_checked(
    folder: Path, tables: str
) -> None:
    """A cast to timestamp left the offset away, and `02/01/2024` was the second of January without a word."""
    written = "to_char(applied_at at time zone 'UTC' + interval '2 hours', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+02:00'"
    slashed = "to_char(date '2020-01-01' + make_interval(months => (loan_id % 48)::int), 'MM/DD/YYYY')"
    for name, text in (("stamped", written), ("slashed", slashed)):
        execute(tables, f"drop table if exists firsts.{name}")
        execute(
            tables,
            f"create table firsts.{name} as select loan_id, defaulted, amount, {text} as applied_on from firsts.loans",
        )
    with table_reader.reading(connection_url("warehouse"), "firsts.stamped", "warehouse") as reader:
        assert reader.profile().column("applied_on").first == first_tables.loans()["applied_at"].min().floor("s")
    new("stamped", "firsts.stamped", "--target", "defaulted")
    new("slashed", "firsts.slashed", "--target", "defaulted")
    assert "first?" not in (folder / "stamped.sql").read_text()
    said = " ".join((folder / "slashed.sql").read_text().replace("--", "").split())
    assert (
        "CHECK: is the day or the month of applied_on first? Every value can be read as to_timestamp(applied_on, "
        in said
    )


def test_a_report_that_only_the_events_have_dates_the_outcome_and_not_the_row(folder: Path) -> None:
    """`reported_at` was taken for known_at by its name, and no row with outcome 0 was ever returned."""
    spec = new("payments", "firsts.payments", "--event-time", "paid_on")
    assert (spec.columns.known_at, spec.columns.outcome_at) == (None, "reported_at")
    assert str(spec.windows.label_maturity) == "42 days"
    report = check("payments")
    assert outcomes(report) == THIN
    (windows,) = (f.explanation for f in report.findings if f.step == "windows")
    ((rows, ones),) = re.findall(r"with ([\d,]+) rows, ([\d,]+) of them with outcome 1", windows)
    assert 0 < int(ones.replace(",", "")) < int(rows.replace(",", "")) / 5


def test_a_date_that_only_rows_with_a_number_have_says_when_that_is_known(folder: Path) -> None:
    """Nothing but the event's date held rows back: the costs of a claim were known while it was open."""
    spec = new("claim_costs", "firsts.claims", "--target", "kosten", "--event-time", "gemeldet_am")
    assert (spec.task, spec.columns.known_at, spec.columns.outcome_at) == ("regression", "reguliert_am", None)
    assert str(spec.windows.label_maturity) == "3 months"
    assert "and reguliert_am <= :as_of" in spec.sql
    (declared,) = spec.source.tables.values()
    assert (declared.known_at, declared.changes) == ("reguliert_am", ("kosten", "reguliert_am"))
    assert "reguliert_am: a date" not in spec.sql, "it is not among what was left out"
    assert outcomes(check("claim_costs")) == FRESH


def test_a_duration_beyond_a_limit_is_decided_once_the_limit_has_passed(folder: Path) -> None:
    """Parcels on their way were left out until they had arrived, and the late ones are the last to arrive."""
    spec = new("parcel_late", "firsts.parcels", "--target", "hours > 72", "--schedule", "@daily")
    assert str(spec.windows.label_maturity) == "3 days"
    assert "coalesce(delivered_at > ordered_at + interval '72 hours', true)::int as hours_over_72" in spec.sql
    (declared,) = spec.source.tables.values()
    assert (declared.known_at, declared.changes) == ("delivered_at", ("hours", "delivered_at"))
    assert outcomes(check("parcel_late")) == THIN
    without = spec.sql.replace("and ordered_at <= :as_of", "and ordered_at <= :as_of and delivered_at <= :as_of")
    (folder / "parcel_late.sql").write_text(without)
    assert "rows, from a later :as_of: " in next(
        f.explanation for f in check("parcel_late").findings if (f.step, f.outcome) == ("leaks", "fault")
    )


def test_columns_that_look_overwritten_are_not_proposed_on_trust(folder: Path) -> None:
    """Who took the comment marks away trusted a balance as of today; `check` said "No leak" and was ready."""
    assert new("book", "firsts.loan_book").source.tables == {}
    text = (folder / "book.yaml").read_text()
    block = next(b for b in re.findall(r"(?:(?<=\n\n)  # .*\n(?:  # .*\n)*)", text) if b.startswith("  # tables:"))
    (folder / "book.yaml").write_text(text.replace(block, block.replace("  # ", "  ")))
    (declared,) = load_specs(only="book")["book"].source.tables.values()
    assert (declared.known_at, declared.changes) == ("closed_on", ("bad", "closed_on", "Balance", "progress"))
    assert declared.on_trust == ("loan_id", "opened_on", "amount", "score")
    report = check("book")
    assert outcomes(report)["leaks"] == "fault"
    said = " ".join(f.explanation for f in report.findings if f.step == "leaks")
    assert "balance, from firsts.loan_book: " in said
    assert "Leave out balance, progress, use" in said or "Leave out progress, balance, use" in said
    edit(folder / "book.yaml", (", Balance, progress]", "]"), ("amount, score]", "amount, score, Balance, progress]"))
    trusting = check("book")
    assert outcomes(trusting)["leaks"] == "warning"
    (doubted,) = (f.explanation for f in trusting.findings if (f.step, f.outcome) == ("leaks", "warning"))
    assert re.search(r"roc_auc of (balance|progress) [01]\.\d\d, (balance|progress) [01]\.\d\d\. Check", doubted)


@pytest.mark.usefixtures("env")
def test_the_strength_of_a_column_alone_is_that_of_scikit_learn() -> None:
    frame = first_tables.loans()
    with table_reader.reading(connection_url("warehouse"), "firsts.loans", "warehouse") as reader:
        score = reader.strength("defaulted::int", "bureau_score", 30, number=True, binary=True)
        text = reader.strength("defaulted::int", "purpose", 30, number=False, binary=True)
        explained = reader.strength("amount", "purpose", 30, number=False, binary=False)
    with_gaps = frame["bureau_score"].fillna(-1)
    assert score == pytest.approx(1 - roc_auc_score(frame["defaulted"], with_gaps))
    means = frame["purpose"].map(frame.groupby("purpose")["defaulted"].mean())
    assert text == pytest.approx(roc_auc_score(frame["defaulted"], means))
    amounts = frame["purpose"].map(frame.groupby("purpose")["amount"].mean())
    assert explained == pytest.approx(r2_score(frame["amount"], amounts))


def test_choices_come_before_guesses(folder: Path) -> None:
    spec = new(
        "amounts", "firsts.loans", "--target", "amount", "--event-time", "recorded_at", "--entity", "loan_id",
        "--schedule", "0 6 * * 1",
    )  # fmt: skip
    assert (spec.task, spec.columns.target, spec.columns.event_time) == ("regression", "amount", "recorded_at")
    assert (spec.schedule, str(spec.windows.holdout)) == ("0 6 * * 1", "28 days")
    assert "defaulted: `defaulted` in its name: was it known at the event?" in (folder / "amounts.sql").read_text()


def test_a_view_is_read_and_its_tables_are_to_be_declared(folder: Path) -> None:
    new("seen", "firsts.seen")
    text = (folder / "seen.yaml").read_text()
    assert "firsts.seen is a view" in text
    edit(
        folder / "seen.yaml",
        ("  # tables:\n  #   schema.table: {", "  tables:\n    firsts.loans: {available_at: applied_at, "),
    )
    assert outcomes(check("seen")) == THIN


def test_of_a_large_table_a_sample_is_looked_at(folder: Path, tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs in every row is known from the primary key; first and last dates are those of all rows."""
    execute(tables, "analyze firsts.loans")
    monkeypatch.setattr(table_reader, "SAMPLE", 1_500)
    with table_reader.reading(connection_url("warehouse"), "firsts.loans", "warehouse") as reader:
        profile = reader.profile()
    assert 500 < profile.rows < 3_000
    assert profile.total == 6_000
    assert profile.column("loan_id").unique
    applied = profile.column("applied_at")
    assert applied.first is not None
    assert str(applied.first.date()) == "2020-01-01"
    assert new("sampled", "firsts.loans").columns.entity == "loan_id"


def test_files_that_are_there_stay(folder: Path) -> None:
    (folder / "mine.yaml").write_text("name: mine")
    result = invoke("new", "mine", "--from", "firsts.loans")
    assert isinstance(result.exception, UsageError)
    assert "mine.yaml in" in str(result.exception)
    assert (folder / "mine.yaml").read_text() == "name: mine"
    assert not (folder / "mine.sql").exists()
    assert new("mine", "firsts.loans", "--force").name == "mine"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Bad-Name", "--from", "firsts.loans"), "no name for a model"),
        (("m", "--from", "firsts.loanz"), "Did you mean 'firsts.loans'"),
        (("m", "--from", "firsts.loans", "--target", "Defaulted"), "Did you mean 'defaulted'"),
        (("m", "--from", "firsts.loans", "--event-time", "amount"), "dates: applied_at, recorded_at"),
        (("m", "--from", "firsts.loans", "--task", "ranking"), "neither classification nor regression"),
        (
            ("m", "--from", "firsts.loans", "--target", "purpose", "--task", "classification"),
            "other values (other, car, home). Make a view with such a column and name the view: (purpose = 'other')::int",
        ),
        (
            ("m", "--from", "firsts.loans", "--target", "amount", "--task", "classification"),
            "Use --task regression, or a limit as in --target 'amount > 30', or make a view",
        ),
        (("m", "--from", "firsts.loans", "--target", "purpose", "--task", "regression"), "a regression needs a number"),
        (("m", "--from", "firsts.loans", "--schedule", "often"), "no cron expression"),
        (("m", "--from", "firsts.loans", "--schedule", "@hourly"), "more than once a day"),
        (("m", "--from", "firsts.loans", "--target", "loan_id"), "already the entity"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(words: tuple[str, ...], message: str) -> None:
    result = invoke("new", *words)
    assert isinstance(result.exception, UsageError), result.output
    assert message in str(result.exception)


def test_a_table_without_an_outcome_lists_what_could_be_one(folder: Path, tables: str) -> None:
    execute(tables, "drop table if exists firsts.plain")
    execute(tables, "create table firsts.plain as select loan_id, applied_at, amount, purpose from firsts.loans")
    result = invoke("new", "plain", "--from", "firsts.plain")
    assert "looks like an outcome. Name it with --target COLUMN, or with" in str(result.exception)
    assert "Columns with two values: none; with numbers: amount" in str(result.exception)
    execute(tables, "truncate firsts.plain")
    assert "has no rows to guess from" in str(invoke("new", "plain", "--from", "firsts.plain").exception)


def test_all_faults_come_at_once(folder: Path) -> None:
    """An estimator that is not there, a column that is not returned, one class only, and a leak."""
    new("wrong", "firsts.loans")
    edit(folder / "wrong.yaml", ("LogisticRegression", "LogisticRegressor"), ("numeric: [", "numeric: [age, "))
    edit(
        folder / "wrong.sql",
        ("defaulted::int as", "0 as"),
        ("\n  and recorded_at <= :as_of", "\n  and :as_of is not null"),
    )
    report = check("wrong", "--as-of", "2022-06-01")
    assert report.exit_code == 2, "the first fault's"
    assert outcomes(report) == {
        **FRESH, **dict.fromkeys(["spec", "as-of dates", "contract", "windows", "leaks"], "fault"), "schedule": "not tested",
    }  # fmt: skip
    said = "\n".join(f.explanation for f in report.findings if f.outcome == "fault")
    for piece in ("LogisticRegressor", "- age", "only one class", "nothing to judge by", "No as-of date"):
        assert piece in said


def test_a_query_that_fails_leaves_the_rest_untested(folder: Path) -> None:
    new("broken", "firsts.loans")
    edit(folder / "broken.sql", ("from firsts.loans", "from firsts.nothing"))
    report = check("broken")
    assert report.exit_code == 1
    assert outcomes(report) == {
        **FRESH, "query": "fault", **dict.fromkeys(STEPS[STEPS.index("as-of dates") :], "not tested"),
    }  # fmt: skip
    edit(folder / "broken.sql", ("from firsts.nothing", "from firsts.loans"), ("    applied_at,\n", ""))
    (fault,) = (f for f in check("broken").findings if f.outcome == "fault")
    assert "- applied_at" in fault.explanation


def test_windows_longer_than_the_history_are_named(folder: Path) -> None:
    new("long", "firsts.loans")
    edit(folder / "long.yaml", ("train: 12 months", "train: 60 months"), ("start_date: 20", "start_date: 19"))
    report = check("long")
    assert report.exit_code == 0
    warned = {f.step: f.explanation for f in report.findings if f.outcome == "warning"}
    assert "The history is shorter than the training window: windows.train is 5 years" in warned["windows"]
    early = next(f.explanation for f in report.findings if f.step == "schedule")
    assert re.search(r"windows.label_maturity .* would fail. Write start_date: 20..-..-01\.$", early)
    assert re.search(
        r"2 of 41 ticks .* there are fewer than 50 rows of the rarer class .* to train on", warned["schedule"]
    )
    shown = invoke("check", "long")
    printed = " ".join(shown.stdout.split())
    assert printed.startswith("long as of 2024-06-01: ready (5 to look at). step result explanation")
    assert printed.endswith("Next: titleholder run long --as-of 2024-06-01")
    outside = check("long", "--as-of", "2019-06-01")
    assert outside.exit_code == 2
    (windows,) = (f.explanation for f in outside.findings if f.step == "windows")
    assert windows.endswith("nothing to train on.")
    text = (folder / "long.yaml").read_text()
    end = re.search(r"end_date: (\S+)", text)
    edit(folder / "long.yaml", (end[0] if end else "task:", "end_date: 2024-03-10" + ("" if end else "\ntask:")))
    assert str(check("long").as_of) == "2024-03-01", "the last tick of the schedule, not of the rows"
    edit(folder / "long.yaml", ("minimum_events: 50", "minimum_events: 5000"))
    assert "no challenger could win" in str(check("long").findings)


def test_a_warehouse_that_does_not_answer_is_a_fault_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new("down", "firsts.loans")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://reader@127.0.0.1:1/warehouse")
    report = check("down")
    assert report.exit_code == 3
    assert isinstance(invoke("new", "other", "--from", "firsts.loans").exception, ServiceError)
