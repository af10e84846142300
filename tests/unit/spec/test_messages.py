"""What a team reads when a spec is wrong: line, key, value and the valid choices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.factories import SQL, YAML
from support.specs import bent, complaint, line_of
from titleholder.errors import SpecError
from titleholder.spec.loader import load_spec
from titleholder.spec.model import ModelSpec

VALID_DURATION = "a duration is written as '90 days', '12 weeks', '18 months' or '1 year 6 months'"

VALID_CRON = (
    "valid are five fields (minute hour day month weekday) in UTC, such as '0 6 1 * *', or @daily, @midnight, @weekly, "
    "@monthly, @yearly, @annually, or null"
)
TOO_OFTEN = (
    "fires more than once a day, but an as-of date is a day: a second run on the same day would use the same data"
)
VALID_METRICS = "valid: roc_auc, gini, ks, pr_auc, brier, log_loss"

TREES = "params: {max_iter: 5, min_samples_leaf: 5}"


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        ("owner:", "ownr:", "ownr", "ownr: unknown key; did you mean 'owner'? Valid here: assets,"),
        ("  seed: 7", "  sed: 7", "sed", "training.sed: unknown key; did you mean 'seed'? Valid here: candidates,"),
        ("log: true", "logg: true", "logg", "training.candidates.line.search.C.logg: unknown key; did you mean 'log'?"),
        ("  holdout:", "  zzz: 1\n  holdout:", "zzz", "windows.zzz: unknown key; valid here: holdout, label_maturity, late_rows, refit, train"),
        ("metric: roc_auc", "metric: rocauc", "metric:", f"judgement.metric: 'rocauc' is no classification metric; {VALID_METRICS}"),
        ("metric: roc_auc", "metric: rmse", "metric:", f"judgement.metric: 'rmse' is no classification metric; {VALID_METRICS}"),
        ("floors: {roc_auc", "floors: {r2", "floors", f"judgement.floors: 'r2' is no classification metric; {VALID_METRICS}"),
        ("6 months", "6 moons", "moons", f"windows.label_maturity: {VALID_DURATION} (got '6 moons')"),
        ("6 months", "6", "label_maturity", f"windows.label_maturity: {VALID_DURATION} (got 6)"),
        ("12 months", "12", "train: ", f"windows.train: {VALID_DURATION} (got 12)"),
        ("12 months", "everything", "train: ", f"windows.train: {VALID_DURATION} (got 'everything')"),
        ('"@monthly"', '"@monthy"', "schedule", f"schedule: the schedule is no cron expression; {VALID_CRON} (got '@monthy')"),
        ('"@monthly"', "every day", "schedule", f"schedule: the schedule is no cron expression; {VALID_CRON}"),
        ('"@monthly"', '"@hourly"', "schedule", f"schedule: the schedule {TOO_OFTEN}; {VALID_CRON} (got '@hourly')"),
        ('"@monthly"', '"0 6,18 * * *"', "schedule", f"schedule: the schedule {TOO_OFTEN}; {VALID_CRON}"),
        ('"@monthly"', '"*/5 6 * * *"', "schedule", f"schedule: the schedule {TOO_OFTEN}; {VALID_CRON}"),
        ('"@monthly"', '"0 0 31 2 *"', "schedule", f"schedule: the schedule never fires: there is no such day; {VALID_CRON}"),
        ('"@monthly"', '"30 0 6 1 * *"', "schedule", f"schedule: the schedule has 6 fields, but seconds and years are not understood; {VALID_CRON}"),
        ('"@monthly"', '"TZ=Europe/Berlin 0 6 1 * *"', "schedule", f"schedule: the schedule names a time zone, but schedules are in UTC; {VALID_CRON}"),
        ('"@monthly"', '"H 6 1 * *"', "schedule", f"schedule: the schedule is no cron expression; {VALID_CRON}"),
        ("small.sql", "other.sql", "query:", "source.query: no file 'other.sql' beside the spec; there are: small.sql"),
        ("small.sql", "../small.sql", "query:", "source.query: query names an .sql file in the same folder, such as 'my_model.sql' (got '../small.sql')"),
        ("small.sql", "small.txt", "query:", "source.query: query names an .sql file in the same folder"),
        ("seed: 7", "seed: seven", "seed", "training.seed: Input should be a valid integer (got 'seven')"),
        ("seed: 7", "seed: true", "seed", "training.seed: Input should be a valid integer (got True)"),
        ("seed: 7", "seed: -1", "seed", "training.seed: Input should be greater than or equal to 0 (got -1)"),
        ("[income, debt]", "income", "numeric", "columns.numeric: Input should be a valid array (got 'income')"),
        ("owner: credit-risk", "owner:", "owner", "owner: Input should be a valid string (got None)"),
        ("low: 0.01", "low: 100", "C:", "training.candidates.line.search.C: low must be below high, not 100 and 10"),
        ("low: 0.01", "low: 10", "C:", "training.candidates.line.search.C: low must be below high, not 10 and 10"),
        ("low: 0.01", "low: 0", "C:", "training.candidates.line.search.C: a log range starts above 0, not at 0"),
        ("low: 0.01", "low: x", "C:", "training.candidates.line.search.C.low: Input should be a valid number (got 'x')"),
        ("low: 0.01, ", "", "C:", "training.candidates.line.search.C.low: required, but not given"),
        ("{low: 0.01, high: 10, log: true}", "[]", "C:", "training.candidates.line.search.C: Tuple should have at least 1 item"),
        ("[age_band]", "[income]", "columns", "columns: protected columns are never trained on, yet also features: income"),
        ("[purpose]", "[purpose, income]", "columns", "columns: columns with two roles: income"),
        ("[income, debt]", "[income, bad]", "columns", "columns: columns with two roles: bad"),
        ("target: bad", "target: bad\n  accepted: debt", "columns", "columns: columns with two roles: debt"),
        ("target: bad", "target: loan_id", "columns", "columns: columns with two roles: loan_id"),
        (TREES, "increasing: [purpose]", "trees:", "training.candidates.trees: increasing and decreasing name numeric columns, not purpose; valid: income, debt"),
        (TREES, "increasing: [debt]\n      decreasing: [debt]", "trees:", "training.candidates.trees: both increasing and decreasing: debt"),
        (TREES, "params: {a: 1}\n      search: {a: [1, 2]}", "trees:", "training.candidates.trees: both fixed under params and searched: a"),
        ("start_date: 2020-01-01", "start_date: 2020-01-01\nend_date: 2019-12-31", "end_date", "end_date: 2019-12-31 is not after start_date 2020-01-01"),
        ("start_date: 2020-01-01", "start_date: 2020-02-30", "start_date", "start_date: Input should be a valid date in the format YYYY-MM-DD"),
        ("owner:", "2020-01-01: x\nowner:", "2020-01-01: x", "2020-01-01: unknown key; valid here: assets, columns"),
        ("name: small", "name: Small One", "name", "name: String should match pattern '^[a-z][a-z0-9_]{0,59}$' (got 'Small One')"),
        ("task: classification", "task: ranking", "task", "task: Input should be 'classification' or 'regression' (got 'ranking')"),
        ("minimum_events: 5", "confidence: 95", "confidence", "judgement.confidence: Input should be less than 1 (got 95)"),
        ("minimum_events: 5", "minimum_gain: .nan", "minimum_gain", "judgement.minimum_gain: Input should be a finite number (got nan)"),
        ("approval: automatic", "approval: auto", "approval", "promotion.approval: Input should be 'automatic' (got 'auto')"),
        ("approval: automatic", "approval: {by: [lead]}", "approval", "promotion.approval.within: required, but not given"),
        ("approval: automatic", "approval: {by: [], within: 1 day}", "approval", "promotion.approval.by: Tuple should have at least 1 item"),
        ("minimum_rows: 20", "minimum_rows: 1" + "0" * 40, "minimum_rows", "training.minimum_rows: Input should be less than or equal to 1000000000"),
        ("minimum_events: 5", "minimum_events: 1" + "0" * 30, "minimum_events", "judgement.minimum_events: Input should be less than or equal to 1000000000"),
        ("minimum_events: 5", "minimum_gain: 1e300", "minimum_gain", "judgement.minimum_gain: Input should be less than or equal to 1000000000000"),
        ("minimum_events: 5", "minimum_gain: 1.0", "minimum_gain", "judgement.minimum_gain: 1 is not a possible gain in roc_auc, which is 0 to 1"),
        ("seed: 7", "seed: 4294967296", "seed", "training.seed: Input should be less than 4294967296"),
        ("floors: {roc_auc: 0.55}", "floors: {roc_auc: 1.5}", "floors", "judgement.floors.roc_auc: 1.5 is not a possible value of roc_auc, which is 0 to 1"),
        ("floors: {roc_auc: 0.55}", "floors: {roc_auc: 55}", "floors", "judgement.floors.roc_auc: 55 is not a possible value of roc_auc, which is 0 to 1"),
        ("floors: {roc_auc: 0.55}", "floors: {log_loss: -0.1}", "floors", "judgement.floors.log_loss: -0.1 is not a possible value of log_loss, which is at least 0"),
        ("floors: {roc_auc: 0.55}", "floors: {roc_auc: .inf}", "floors", "judgement.floors.roc_auc: Input should be a finite number (got inf)"),
        ("floors: {roc_auc: 0.55}", "floors: {roc_auc: 0.95}", "floors", "judgement.floors.roc_auc: 0.95 lies beyond 0.9, the ceiling of judgement.checks.too_good: no model can win"),
        ("floors: {roc_auc: 0.55}", "checks: {too_good: {ceilings: {gini: 0.0}}}", "checks:", "judgement.checks.too_good.ceilings.gini: 0 is not above 0, which a model without any skill has"),
        ("floors: {roc_auc: 0.55}", "checks: {too_good: {ceilings: {brier: -1}}}", "checks:", "judgement.checks.too_good.ceilings.brier: -1 is not a possible value of brier, which is 0 to 1"),
        ("floors: {roc_auc: 0.55}", "cut_off: {accept: below, score: 12}", "cut_off", "judgement.cut_off.score: 12 is not a probability between 0 and 1"),
        ("floors: {roc_auc: 0.55}", "checks: {drift: {psi: .inf}}", "checks:", "judgement.checks.drift.psi: Input should be a finite number (got inf)"),
        ("max_iter: 500", "tol: .nan", "params", "training.candidates.line.params.tol: Input should be a finite number (got nan)"),
        ("high: 10,", "high: .inf,", "C:", "training.candidates.line.search.C.high: Input should be a finite number (got inf)"),
        ("approval: automatic", "approval: {by: [''], within: 1 day}", "approval", "promotion.approval.by.0: String should have at least 1 character (got '')"),
        ("approval: automatic", "approval: {by: [{id: '7', name: ' '}], within: 1 day}", "approval", "promotion.approval.by.0.name: give a text of one line (got ' ')"),
        ("owner: credit-risk", "owner: ' '", "owner", "owner: give a text of one line (got ' ')"),
        ("owner: credit-risk", 'owner: "a\\nb"', "owner", "owner: is one line of plain text, and has \\n, which is not printable (got 'a\\nb')"),
        ("owner: credit-risk", "owner: ana\nassets: [lädt]", "assets", "assets.0: String should match pattern"),
        ("[region]", "[bad]", "columns", "columns: columns with two roles: bad"),
        ("[age_band]", "[bad]", "columns", "columns: columns with two roles: bad"),
        ("target: bad", "target: bad\n  cluster: bad", "columns", "columns: columns with two roles: bad"),
        ("12 months", "1000000 months", "train: ", "windows.train: a duration is at most 100 years (got '1000000 months')"),
        ("12 months", "9" * 40 + " months", "train: ", f"windows.train: {VALID_DURATION}"),
        ("start_date: 2020-01-01", "start_date: 9999-12-31", "start_date", "start_date: Input should be less than or equal to 2199-12-31"),
        ("seed: 7", "seed: 1:30", "seed", "training.seed: Input should be a valid integer (got '1:30')"),
        ("seed: 7", "seed: 010", "seed", "training.seed: Input should be a valid integer (got '010')"),
        ('"@monthly"', '"' + "0," * 200 + '0 6 1 * *"', "schedule", "schedule: String should have at most 100 characters"),
        ("sklearn.linear_model.LogisticRegression", "LogisticRegression", "estimator", "training.candidates.line.estimator: String should match pattern"),
    ],
)  # fmt: skip
def test_a_fault_is_reported_with_line_key_value_and_choices(
    tmp_path: Path, old: str, new: str, at: str, message: str
) -> None:
    text = bent((old, new))
    found = complaint(tmp_path, text).splitlines()
    assert found[0] == "small.yaml is not a valid model spec:"
    assert [line for line in found[1:] if line.startswith(f"  line {line_of(text, at)}: {message}")]


def test_a_value_of_the_wrong_type_is_reported_once_not_once_per_valid_type(tmp_path: Path) -> None:
    text = bent(("approval: automatic", "approval: {by: [lead], within: soon}"), ("low: 0.01", "low: x"))
    assert len(complaint(tmp_path, text).splitlines()) == 3


@pytest.mark.parametrize(
    "name", ["Duration", "Range", "str", "int", "none", "Person", "function-x", "tuple[x]", "literal[x]"]
)
def test_a_key_that_is_called_as_a_type_is_unknown_as_any_other(tmp_path: Path, name: str) -> None:
    """It was taken for pydantic's name of a type, and the message about it failed."""
    assert f": {name}: unknown key; " in complaint(tmp_path, YAML + f"'{name}': 1\n")
    inside = complaint(tmp_path, bent(("  seed: 7", f"  seed: 7\n  '{name}': 1")))
    assert f"line 24: training.{name}: unknown key; " in inside


def test_only_the_first_of_very_many_faults_are_listed(tmp_path: Path) -> None:
    found = complaint(tmp_path, YAML + "".join(f"k{n}: 1\n" for n in range(150))).splitlines()
    assert (len(found), found[-1]) == (102, "  and 50 more")


def test_a_long_value_is_shown_by_its_beginning(tmp_path: Path) -> None:
    found = complaint(tmp_path, bent(("seed: 7", "seed: " + "x" * 100_000)))
    assert "seed: Input should be a valid integer (got 'xxxx" in found
    assert len(found) < 400


def test_empty_candidates_are_refused(tmp_path: Path) -> None:
    start, end = YAML.index("  candidates:"), YAML.index("judgement:")
    text = YAML[:start] + "  candidates: {}\n" + YAML[end:]
    assert "training.candidates: Dictionary should have at least 1 item" in complaint(tmp_path, text)


def test_no_feature_at_all_is_refused(tmp_path: Path) -> None:
    text = bent(("numeric: [income, debt]", "numeric: []"), ("categorical: [purpose]", "categorical: []"))
    assert "columns: name at least one feature under numeric or categorical" in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "select :window_start, :window_end -- :as_of",
            "the query must bind :as_of, :window_start, :window_end; it does not bind :as_of",
        ),
        ("select 1", "it does not bind :as_of, :window_start, :window_end"),
        (SQL.replace(":as_of", ":as_off"), "it does not bind :as_of, but :as_off"),
        (SQL + " and 'it > k", "the query cannot be read: in line 1 a quote or comment begins and never ends: 'it > k"),
        (SQL + " /* \0 */", "the query has a NUL character, which PostgreSQL does not take"),
        (SQL + " and :today > k", "the query binds :today; valid are :as_of, :window_start, :window_end"),
    ],
)
def test_sql_that_ignores_time_or_binds_strangers_is_refused(tmp_path: Path, sql: str, message: str) -> None:
    found = complaint(tmp_path, YAML, sql)
    assert f"line {line_of(YAML, 'query:')}: source.query: " in found
    assert message in found
    assert "select" not in found


def test_several_faults_come_in_one_report(tmp_path: Path) -> None:
    text = bent(
        ("seed: 7", "seed: x"),
        ("6 months", "6 moons"),
        ("owner: credit-risk", "ownr: credit-risk"),
        ("small.sql", "gone.sql"),
    )
    found = complaint(tmp_path, text)
    for key in ("training.seed", "windows.label_maturity", "owner: required", "ownr: unknown", "no file 'gone.sql'"):
        assert key in found
    assert len(found.splitlines()) == 6


def read(folder: Path, notifications: str) -> ModelSpec:
    (folder / "small.sql").write_text(SQL)
    (folder / "small.yaml").write_text(YAML + notifications)
    return load_spec(folder / "small.yaml")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("notifications: {dedline: 1 hour}", "notifications.dedline: unknown key; did you mean 'deadline'?"),
        (
            "notifications: {deadline: soon}",
            "notifications.deadline: a span of time is written as '30 minutes', '12 hours'",
        ),
        ("notifications: {deadline: 12}", "notifications.deadline: a span of time is written as"),
        ("notifications: {deadline: 1 month}", "'3 days' or '2 weeks' (got '1 month')"),
        ("notifications: {deadline: 0 hours}", "notifications.deadline: a span of time must be longer than zero"),
        ("notifications: {deadline: 367 days}", "notifications.deadline: a span of time is at most 366 days"),
        ("notifications: {email: {to: []}}", "notifications.email.to: "),
        ("notifications: {email: {}}", "notifications.email.to: required"),
        ("notifications: {email: {to: ann@example.org}}", "notifications.email.to: "),
        ("notifications: {email: {to: [ann]}}", "notifications.email.to.0: "),
        ('notifications: {email: {to: ["a@b\\nBcc: c@d"]}}', "notifications.email.to.0: "),
        ('notifications: {email: {to: ["a@b, c@d"]}}', "notifications.email.to.0: "),
        ("notifications: {email: {to: [a@b], from: c@d}}", "notifications.email.from: unknown key"),
        ("notifications: {slack: {channel: risk}}", "notifications.slack.channel: unknown key"),
        ("notifications: {slack: {connection: 'no such'}}", "notifications.slack.connection: "),
    ],
)
def test_a_mistake_in_notifications_is_reported_with_its_line_and_key(
    tmp_path: Path, written: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, f"{written}\n")
    assert message in str(caught.value)
    assert f"line {len(YAML.splitlines()) + 1}: notifications" in str(caught.value)


@pytest.mark.parametrize("key", ["label_maturity", "train", "holdout"])
@pytest.mark.parametrize("length", ["36 hours", "1 day 12 hours", "30 minutes"])
def test_windows_are_whole_days(tmp_path: Path, key: str, length: str) -> None:
    (tmp_path / "small.sql").write_text(SQL)
    old = {"label_maturity": "6 months", "train": "12 months", "holdout": "3 months"}[key]
    (tmp_path / "small.yaml").write_text(YAML.replace(f"{key}: {old}", f"{key}: {length}"))
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "small.yaml")
    assert f"windows.{key}: a duration is whole days such as '90 days' or '18 months'" in str(caught.value)
    assert f"(got '{length}')" in str(caught.value)


def test_a_fault_within_a_tables_history_is_named_without_the_type(tmp_path: Path) -> None:
    found = complaint(tmp_path, bent(("  query: small.sql", "  query: small.sql\n  tables: {loans: {known: x}}")))
    assert "source.tables.loans.known_at: required, but not given" in found
    assert "source.tables.loans.known: unknown key" in found


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ("{known_at: k, on_trust: [a]}", "on_trust is for rows overwritten in place, which need changes"),
        ("{known_at: k, changes: [a, b], on_trust: [c, b]}", "columns in both on_trust and changes: b"),
        ("{known_at: k, changes: [a], available_at: b}", "available_at is for whole rows that are recorded late"),
    ],
)
def test_a_history_that_contradicts_itself_is_refused(tmp_path: Path, history: str, message: str) -> None:
    text = bent(("  query: small.sql", f"  query: small.sql\n  tables: {{loans: {history}}}"))
    assert f"source.tables.loans: {message}" in complaint(tmp_path, text)


def test_rules_over_several_keys_are_reported_beside_faults_of_single_keys(tmp_path: Path) -> None:
    """A typo hid every other fault: of a section, of the whole spec, of the query, of an estimator, and of the name."""
    text = bent(
        ("seed: 7", "seed: x"),
        ("owner: credit-risk", "ownr: credit-risk"),
        ("name: small", "name: smal"),
        ("metric: roc_auc", "metric: rmse"),
        ("floors: {roc_auc", "floors: {r2"),
        ("low: 0.01", "low: 100"),
        (TREES, "increasing: [purpose]\n      params: {max_iters: 5}"),
        ("  approval: automatic", "  approval: {by: [lead]}\nend_date: 2019-12-31"),
    )
    found = complaint(tmp_path, text, SQL + " and k < :today")
    for part in (
        "training.seed: Input should be a valid integer (got 'x')",
        "ownr: unknown key; did you mean 'owner'?",
        "owner: required, but not given",
        "name: 'smal' must equal the file's name, 'small'",
        "judgement.metric: 'rmse' is no classification metric",
        "judgement.floors: 'r2' is no classification metric",
        "training.candidates.line.search.C: low must be below high, not 100 and 10",
        "training.candidates.trees: increasing and decreasing name numeric columns, not purpose",
        "takes no parameter 'max_iters'; did you mean 'max_iter'?",
        "promotion.approval.within: required, but not given",
        "end_date: 2019-12-31 is not after start_date 2020-01-01",
        "source.query: the query binds :today; valid are",
    ):
        assert part in found
    assert len(found.splitlines()) == 13


@pytest.mark.parametrize(("old", "new"), [("task: classification", "task: ranking"), ("[income, debt]", "income")])
def test_nothing_is_made_up_about_what_depends_on_a_faulty_key(tmp_path: Path, old: str, new: str) -> None:
    """Whether a metric suits an unknown task, or a direction unknown columns, cannot be said."""
    text = bent((old, new), ("metric: roc_auc", "metric: rmse"), (TREES, "increasing: [debt]"))
    assert len(complaint(tmp_path, text).splitlines()) == 2


@pytest.mark.parametrize(
    "key", [key for key in YAML.splitlines() if not key.startswith((" ", "promotion", "schedule"))]
)
def test_a_section_that_is_not_given_is_the_only_fault(tmp_path: Path, key: str) -> None:
    section = key.partition(":")[0]
    start = YAML.index(f"{section}:") if not YAML.startswith(section) else 0
    end = min(
        (
            YAML.index(f"\n{other}", start) + 1
            for other in re.findall(r"^[a-z_]+:", YAML, re.M)
            if f"\n{other}" in YAML[start:]
        ),
        default=len(YAML),
    )
    found = complaint(tmp_path, YAML[:start] + YAML[end:])
    assert found.splitlines()[1:] == [f"  {section}: required, but not given"]


def test_a_quantile_out_of_range_is_said_once(tmp_path: Path) -> None:
    """The metric was then said to need the quantile that is there."""
    said = complaint(
        tmp_path, bent(("task: classification", "task: regression"), ("roc_auc", "pinball\n  quantile: 90"))
    )
    assert "judgement.quantile: Input should be less than 1 (got 90" in said
    assert "needs judgement.quantile" not in said
