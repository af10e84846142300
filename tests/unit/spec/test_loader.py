"""Reading a folder of specs: what a team is told when it writes something wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.factories import SQL, YAML, a_spec
from titleholder.errors import SpecError, UsageError
from titleholder.spec.loader import DEFAULT_FOLDER, load_spec, load_specs, models_folder


def write(folder: Path, text: str = YAML, sql: str | None = SQL, name: str = "small") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    if sql is not None:
        (folder / "small.sql").write_text(sql)
    return path


def bent(*changes: tuple[str, str]) -> str:
    """The valid YAML with pieces of it replaced, each of which must be there."""
    text = YAML
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def complaint(folder: Path, text: str, sql: str | None = SQL) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(write(folder, text, sql))
    return str(caught.value)


def line_of(text: str, piece: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if piece in line)


def test_the_shipped_specs_all_load() -> None:
    specs = load_specs(DEFAULT_FOLDER)
    assert not specs.errors
    assert {"demo_default", "demo_loss", "lending_club_default"} <= set(specs.models)


def test_a_file_gives_what_the_same_words_in_memory_give(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path)) == a_spec()


VALID_DURATION = "a duration is plain words such as '90 days', '12 weeks', '18 months' or '1 year 6 months'"
VALID_METRICS = "valid: roc_auc, gini, ks, pr_auc, brier, log_loss"
TREES = "params: {max_iter: 5, min_samples_leaf: 5}"


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("owner:", "ownr:", "ownr", "ownr: unknown key; did you mean 'owner'? Valid here: assets,"),
        ("  seed: 7", "  sed: 7", "sed", "training.sed: unknown key; did you mean 'seed'? Valid here: candidates,"),
        ("log: true", "logg: true", "logg", "training.candidates.line.search.C.logg: unknown key; did you mean 'log'?"),
        ("  holdout:", "  zzz: 1\n  holdout:", "zzz", "windows.zzz: unknown key; valid here: holdout, label_maturity, train"),
        ("metric: roc_auc", "metric: rocauc", "metric:", f"judgement.metric: 'rocauc' is no classification metric; {VALID_METRICS}"),
        ("metric: roc_auc", "metric: rmse", "metric:", f"judgement.metric: 'rmse' is no classification metric; {VALID_METRICS}"),
        ("floors: {roc_auc", "floors: {r2", "floors", f"judgement.floors: 'r2' is no classification metric; {VALID_METRICS}"),
        ("6 months", "6 moons", "moons", f"windows.label_maturity: {VALID_DURATION} (got '6 moons')"),
        ("6 months", "6", "label_maturity", f"windows.label_maturity: {VALID_DURATION} (got 6)"),
        ("12 months", "12", "train: ", f"windows.train: {VALID_DURATION} (got 12)"),
        ("12 months", "everything", "train: ", f"windows.train: {VALID_DURATION} (got 'everything')"),
        ('"@monthly"', '"@monthy"', "schedule", "schedule: schedule is a cron expression in UTC such as '@monthly' or '0 6 1 * *', or null (got '@monthy')"),
        ('"@monthly"', "every day", "schedule", "schedule: schedule is a cron expression in UTC"),
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
        ("sklearn.linear_model.LogisticRegression", "LogisticRegression", "estimator", "training.candidates.line.estimator: String should match pattern"),
    ],
)  # fmt: skip
def test_one_fault_is_told_with_line_key_value_and_choices(
    tmp_path: Path, old: str, new: str, at: str, said: str
) -> None:
    text = bent((old, new))
    told = complaint(tmp_path, text).splitlines()
    assert told[0] == "small.yaml is not a valid model spec:"
    assert [line for line in told[1:] if line.startswith(f"  line {line_of(text, at)}: {said}")]


def test_a_value_of_the_wrong_kind_is_told_once_not_once_for_each_kind_allowed(tmp_path: Path) -> None:
    text = bent(("approval: automatic", "approval: {by: [lead], within: soon}"), ("low: 0.01", "low: x"))
    assert len(complaint(tmp_path, text).splitlines()) == 3


def test_empty_candidates_are_refused(tmp_path: Path) -> None:
    start, end = YAML.index("  candidates:"), YAML.index("judgement:")
    text = YAML[:start] + "  candidates: {}\n" + YAML[end:]
    assert "training.candidates: Dictionary should have at least 1 item" in complaint(tmp_path, text)


def test_no_feature_at_all_is_refused(tmp_path: Path) -> None:
    text = bent(("numeric: [income, debt]", "numeric: []"), ("categorical: [purpose]", "categorical: []"))
    assert "columns: name at least one feature under numeric or categorical" in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "select :window_start, :window_end -- :as_of",
            "the query must bind :as_of, :window_start, :window_end; it does not bind :as_of",
        ),
        ("select 1", "it does not bind :as_of, :window_start, :window_end"),
        (SQL + " and :today > k", "the query binds :today; valid are :as_of, :window_start, :window_end"),
    ],
)
def test_sql_that_ignores_time_or_binds_strangers_is_refused(tmp_path: Path, sql: str, said: str) -> None:
    told = complaint(tmp_path, YAML, sql)
    assert f"line {line_of(YAML, 'query:')}: source.query: " in told
    assert said in told
    assert "select" not in told


def test_sql_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "small.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"source\.query: 'small\.sql' cannot be read: .*utf-8"):
        load_spec(path)


def test_sql_belongs_into_its_own_file(tmp_path: Path) -> None:
    told = complaint(tmp_path, YAML + "sql: select 1\n")
    assert told == "small.yaml: sql: write the query into a file of its own and name it under source.query"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("owner: credit-risk", "owner: a\nowner: b", "small.yaml, line 3: owner: given twice"),
        ("  seed: 7", "  seed: 7\n  seed: 8", "small.yaml, line 24: training.seed: given twice"),
    ],
)
def test_a_key_given_twice_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert complaint(tmp_path, bent((old, new))) == said


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "small.yaml: a spec is a mapping of keys such as name, source" in complaint(tmp_path, text)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    told = complaint(tmp_path, bent(("[income, debt]", "[income, debt")))
    assert told.startswith("small.yaml is not valid YAML")
    assert "line 13" in told


def test_the_name_must_be_the_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"other\.yaml: name: 'small' must equal the file's name, 'other'"):
        load_spec(write(tmp_path, name="other"))


def test_several_faults_come_in_one_report(tmp_path: Path) -> None:
    text = bent(
        ("seed: 7", "seed: x"),
        ("6 months", "6 moons"),
        ("owner: credit-risk", "ownr: credit-risk"),
        ("small.sql", "gone.sql"),
    )
    told = complaint(tmp_path, text)
    for key in ("training.seed", "windows.label_maturity", "owner: required", "ownr: unknown", "no file 'gone.sql'"):
        assert key in told
    assert len(told.splitlines()) == 6


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    text = bent(("low: 0.01", "low: 1e-3"), ("params: {max_iter: 500}", "params: {max_iter: 500, tol: 1e-4}"))
    candidate = load_spec(write(tmp_path, text)).training.candidates["line"]
    assert candidate.params["tol"] == 0.0001
    assert candidate.search["C"].low == 0.001  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "broken",
    [
        bent(("name: small", "name: broken"), ("seed: 7", "seed: x")),
        bent(("start_date: 2020-01-01", "start_date: 2020-13-01")),
        bent(("owner:", "2020-01-01: x\nowner:")),
        "a: [",
        "",
    ],
)
def test_one_broken_file_leaves_the_others_working(tmp_path: Path, broken: str) -> None:
    write(tmp_path)
    write(tmp_path, broken, name="broken")
    specs = load_specs(tmp_path)
    assert list(specs.models) == ["small"]
    assert list(specs.errors) == ["broken"]
    assert "broken.yaml" in str(specs.errors["broken"])
    with pytest.raises(SpecError, match="broken"):
        specs["broken"]


@pytest.mark.parametrize("only", [None, "smal"])
def test_a_mistyped_model_is_answered_with_the_nearest(tmp_path: Path, only: str | None) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match=r"no model 'smal'\. Did you mean 'small'\? Known models: small"):
        load_specs(tmp_path, only=only)["smal"]


def test_an_empty_folder_knows_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no model 'x'\. Known models: none"):
        load_specs(tmp_path)["x"]


def test_only_one_file_is_read_when_one_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "a: [", name="broken")
    specs = load_specs(tmp_path, only="small")
    assert (list(specs.models), list(specs.errors)) == (["small"], [])


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.setenv("TITLEHOLDER_MODELS", "")
    assert models_folder() == DEFAULT_FOLDER


def test_an_alias_that_contains_itself_is_an_error_of_its_file_only(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").write_text("name: loop\ncolumns: &c\n  inner: *c\n")
    specs = load_specs(tmp_path)
    assert "an alias (*name) contains itself" in str(specs.errors["loop"])
