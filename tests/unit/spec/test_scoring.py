"""The section `scoring` of a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.factories import SQL, YAML
from support.specs import complaint, write
from titleholder.spec.loader import load_spec
from titleholder.spec.model import ModelSpec

SECTION = "scoring: {query: small_scoring.sql, window: 1 day}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small_scoring.sql").write_text(SQL)
    return tmp_path


def test_a_spec_without_it_scores_nothing(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path)).scoring is None


def test_its_query_is_read_from_its_file_and_travels_with_the_spec(folder: Path) -> None:
    spec = load_spec(write(folder, YAML + SECTION))
    assert spec.scoring is not None
    assert (spec.scoring.sql, spec.scoring.lane, str(spec.scoring.window)) == (SQL, "live", "1 day")
    assert ModelSpec.restore(spec.model_dump(mode="json")) == spec


def test_it_changes_neither_what_is_trained_nor_how_it_is_judged(folder: Path) -> None:
    without, with_it = (load_spec(write(folder, YAML + section)) for section in ("", SECTION))
    assert without.fingerprint() != with_it.fingerprint()
    assert without.training_fingerprint() == with_it.training_fingerprint()
    assert without.judgement_fingerprint() == with_it.judgement_fingerprint()


LINE = len(YAML.splitlines()) + 1


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{query: nowhere.sql, window: 1 day}", "scoring.query: no file 'nowhere.sql' beside the spec; there are: small.sql, small_scoring.sql"),
        ("{query: ../x.sql, window: 1 day}", "scoring.query: query names an .sql file in the same folder"),
        ("{query: small_scoring.sql}", "scoring.window: required, but not given"),
        ("{window: 1 day}", "scoring.query: required, but not given"),
        ("{query: small_scoring.sql, window: 1 hour}", "scoring.window: a duration is whole days such as '90 days'"),
        ("{query: small_scoring.sql, window: 1 day, sql: select 1}", "scoring.sql: write the query into a file and name it under scoring.query"),
        ("{query: small_scoring.sql, window: 1 day, colour: x}", "scoring.colour: unknown key; valid here: after_champion, assets, lane, parquet, query, reason_texts, reasons, reasons_for, schedule, shadow, window"),
        ("{query: small_scoring.sql, window: 1 day, scedule: null}", "scoring.scedule: unknown key; did you mean 'schedule'?"),
        ("{query: small_scoring.sql, window: 1 day, schedule: '* * * * *'}", "scoring.schedule: the schedule fires more than once a day"),
        ("{query: small_scoring.sql, window: 1 day, lane: Live}", "scoring.lane: String should match pattern"),
        ("{query: small_scoring.sql, window: 1 day, lane: dev, after_champion: true}", "scoring: after_champion: that asset is the live champion's, but lane is 'dev'"),
        ("{query: small_scoring.sql, window: 1 day, reasons: 0}", "scoring.reasons: Input should be greater than or equal to 1"),
        ("{query: small_scoring.sql, window: 1 day, reasons_for: up}", "scoring.reasons_for: Input should be 'high' or 'low'"),
        ("{query: small_scoring.sql, window: 1 day, reason_texts: {debt: ' '}}", "scoring.reason_texts.debt: give a text of one line"),
        ("yes", "scoring: Input should be an object"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence_with_its_line(folder: Path, section: str, said: str) -> None:
    found = complaint(folder, f"{YAML}scoring: {section}\n")
    (fault,) = found.splitlines()[1:]
    assert fault.strip().startswith(f"line {LINE}: {said}"), found


def test_a_faulty_section_is_not_a_missing_one(folder: Path) -> None:
    section = "{query: small_scoring.sql, window: 1 day, lane: dev, after_champion: true}"
    (fault,) = complaint(folder, f"{YAML}scoring: {section}\nmonitor: {{}}\n").splitlines()[1:]
    assert "after_champion" in fault


def test_a_query_that_does_not_bind_the_window_is_refused_by_the_name_of_its_file(folder: Path) -> None:
    (folder / "small_scoring.sql").write_text("select 1 where :as_of > :window_start and :today > 1")
    found = complaint(folder, YAML + SECTION)
    assert (
        f"line {LINE}: scoring.query: the query must bind :as_of, :window_start, :window_end; it does not bind :window_end"
        in found
    )


def asking(reasons: str) -> str:
    return f"{YAML}scoring: {{query: small_scoring.sql, window: 1 day, {reasons}}}\n"


def test_reasons_are_asked_for_with_texts_for_some_features(folder: Path) -> None:
    spec = load_spec(write(folder, asking("reasons: 4, reasons_for: low, reason_texts: {debt: Too much debt}")))
    assert spec.scoring is not None
    assert (spec.scoring.reasons_asked, spec.scoring.reason_texts) == ((4, "low"), {"debt": "Too much debt"})
    assert ModelSpec.restore(spec.model_dump(mode="json")) == spec
    without = load_spec(write(folder, YAML + SECTION))
    assert without.scoring is not None
    assert without.scoring.reasons_asked is None
    assert without.training_fingerprint() == spec.training_fingerprint()


def test_the_example_of_the_documentation_is_a_spec(folder: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reasons.md").read_text(encoding="utf-8")
    example = page.split("```yaml")[1].split("```")[0].replace("my_model", "small")
    scoring = load_spec(write(folder, YAML + example)).scoring
    assert scoring is not None
    assert (scoring.reasons_asked, list(scoring.reason_texts)) == ((4, "high"), ["income", "debt"])


def test_a_text_for_what_is_no_feature_is_refused_with_the_choices(folder: Path) -> None:
    found = complaint(folder, asking("reasons: 4, reason_texts: {dept: Too much debt, region: x}"))
    assert "scoring.reason_texts: dept, region is no feature; valid: income, debt, purpose" in found


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ("sklearn.ensemble.RandomForestClassifier}", "RandomForestClassifier has no reasons; these estimators have: sklearn.LogisticRegression, "),
        ("sklearn.calibration.CalibratedClassifierCV}", "CalibratedClassifierCV has no reasons; these"),
        ("lightgbm.LGBMClassifier, params: {linear_tree: true}}", "linear_tree: True of LGBMClassifier has no reasons; valid: False"),
        ("lightgbm.LGBMClassifier, search: {boosting_type: [gbdt, rf]}}", "boosting_type: rf of LGBMClassifier has no reasons; valid: gbdt, dart, goss"),
        ("sklearn.ensemble.GradientBoostingClassifier, params: {loss: exponential}}", "loss: exponential of GradientBoostingClassifier has no reasons; valid: log_loss"),
    ],
)  # fmt: skip
def test_a_candidate_whose_scores_have_no_reasons_is_refused_where_reasons_are_asked_for(
    folder: Path, candidate: str, said: str
) -> None:
    text = YAML.replace("    trees:\n", f"    other: {{estimator: {candidate}\n    trees:\n")
    assert f"scoring.reasons: of candidate other: {said}" in complaint(folder, text + asking("reasons: 4")[len(YAML) :])
    assert load_spec(write(folder, text + SECTION)).scoring is not None
