"""A lane of several months walked through on the real stack, against plain readings of the same rows and models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy.stats import rankdata
from sklearn.metrics import mean_squared_error, roc_auc_score
from typer.testing import CliRunner, Result

from localstack.state import State
from support.audit_world import models_in, replaced
from support.retraining import in_force, retrain
from support.stacks import tiny_rows
from support.succession_world import MODELS, write_model
from titleholder.cli.main import app
from titleholder.data.scores import ScoreKey, ScoreStore
from titleholder.errors import ServiceError, UsageError
from titleholder.ledger import reports, store
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.registry.models import Models
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.validation import ageing as validation_ageing
from titleholder.validation.checks import CHECKS
from titleholder.validation.checks.base import Result as Check
from titleholder.validation.verdict import Recall, Verdict
from titleholder.workflow.audit import audit
from titleholder.workflow.backtest import ageing as backtest_ageing
from titleholder.workflow.backtest.summary import Setting
from titleholder.workflow.backtest.what_if import replay
from titleholder.workflow.scorer import Scorer
from titleholder_airflow.page.ageing import AgeAdvice

pytestmark = pytest.mark.slow
LANE = "walked"
DAYS = [date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 3)]
MONTHS = [date(2023, 12, 1), *(date(2024, m, 1) for m in (1, 2, 3, 4, 5))]
RULES = (
    "judgement: {{metric: roc_auc, rule: {rule}, minimum_gain: {gain}, minimum_events: 30, floors: {{roc_auc: 0.55}}, "
    "cut_off: {{accept: below, score: 0.3}}, profit: {{accepted_0: 1.0, accepted_1: -4.0}}}}"
)
PAID = {(0, True): 1.0, (1, True): -4.0, (0, False): 0.0, (1, False): 0.0}
OWN, OTHER = -0.02, 0.05


class World(NamedTuple):
    """Three models that differ in their rules only, each with the same months in a lane of its own, and a daily one."""

    settings: Settings
    rows: dict[str, list[Decision]]


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("models")
    for name, rule, gain in (
        ("tiny_walk", "fresh", OWN),
        ("tiny_walk_other", "fresh", OTHER),
        ("tiny_patient", "sequential", OWN),
    ):
        write_model(folder, name, judgement=RULES.format(rule=rule, gain=gain))
    write_model(folder, "tiny_daily", judgement=RULES.format(rule="record", gain=OWN), schedule="0 6 * * *")
    for name in ("tiny_amount.yaml", "tiny_amount.sql"):
        (folder / name).write_text((MODELS / name).read_text())
    with models_in(folder, state) as settings:
        rows = {
            name: [retrain(name, month, LANE, settings) for month in MONTHS]
            for name in ("tiny_walk", "tiny_walk_other", "tiny_patient")
        }
        rows["tiny_amount"] = [retrain("tiny_amount", month, LANE, settings) for month in MONTHS[:3]]
        rows["tiny_daily"] = [retrain("tiny_daily", day, LANE, settings) for day in DAYS]
        yield World(settings, rows)


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["backtest", *words])


def computed(model: str, *words: str) -> dict[str, Any]:
    done = invoke(model, "--lane", LANE, "--json", *words)
    assert done.exit_code == 0, done.output + str(done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def advised(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["advise", *words])


def followed(month: date, end: date) -> pd.DataFrame:
    """The rows that happened in a month, whatever was decided."""
    frame = tiny_rows()
    inside = (frame["happened_at"] >= pd.Timestamp(month, tz="UTC")) & (
        frame["happened_at"] < pd.Timestamp(end, tz="UTC")
    )
    return frame[inside]


def plain_scores(model: str, version: int, frame: pd.DataFrame) -> Any:
    X = frame[["signal", "noise", "price", "kind"]].astype({"kind": object})
    pipeline = mlflow.sklearn.load_model(f"models:/{model}/{version}")
    return pipeline.predict_proba(X)[:, 1] if hasattr(pipeline, "predict_proba") else pipeline.predict(X)


def test_every_number_is_that_of_a_plain_reading(world: World) -> None:
    rows = world.rows["tiny_walk"]
    found, ends = computed("tiny_walk"), [*MONTHS[1:], date(2024, 6, 1)]
    assert [m["period"]["as_of"] for m in found["periods"]] == [str(m) for m in MONTHS]
    first = next(r.champion_after for r in rows if r.champion_after)
    means: dict[str, list[float]] = {}
    profits: dict[str, list[float]] = {}
    for row, end, month in zip(rows, ends, found["periods"], strict=True):
        frame = followed(row.as_of, end)
        assert (month["rows"], month["events"]) == (len(frame), frame["bad"].sum())
        versions = [r.challenger for r in rows if r.as_of <= row.as_of]
        by_version = {v: plain_scores("tiny_walk", v, frame) for v in versions}
        area = {v: roc_auc_score(frame["bad"], p) for v, p in by_version.items()}
        used = {
            "gate": row.champion_after,
            "newest": row.challenger,
            "never": first,
            "hindsight": max(area, key=lambda v: area[v]),
        }
        for policy, version in used.items():
            assert version is not None
            figure = month["figures"][policy]
            assert figure["version"] == version
            assert figure["metric"] == pytest.approx(area[version], abs=1e-12)
            assert figure["lower"] < figure["metric"] < figure["upper"]
            worth = sum(PAID[y, p < 0.3] for y, p in zip(frame["bad"], by_version[version], strict=True))
            assert figure["profit"] == pytest.approx(worth)
            means.setdefault(policy, []).append(area[version])
            profits.setdefault(policy, []).append(worth)
    whole = found["overall"]
    assert (whole["periods"], whole["of"]) == (6, 6)
    for policy, values in means.items():
        assert whole["policies"][policy]["mean"] == pytest.approx(np.mean(values))
        assert whole["policies"][policy]["profit"] == pytest.approx(sum(profits[policy]))
    for name in ("gate-never", "newest-never", "gate-newest"):
        a, b = name.split("-")
        difference = whole["contrasts"][name]
        assert difference["metric"]["estimate"] == pytest.approx(np.mean(means[a]) - np.mean(means[b]))
        assert difference["profit"]["estimate"] == pytest.approx(sum(profits[a]) - sum(profits[b]))
    assert whole["policies"]["gate"]["changes"] == sum(r.changed for r in rows) - 1


def areas_under_curves(y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The ROC AUC of each draw, a row of `y` and of `scores`: by ranks, for scikit-learn takes seventy times as long."""
    ones = y.sum(axis=1)
    return ((rankdata(scores, axis=1) * y).sum(axis=1) / ones - (ones + 1) / 2) / (y.shape[1] - ones)


def test_the_interval_is_that_of_a_plain_bootstrap(world: World) -> None:
    """Rows of each month drawn again, both models on the same rows."""
    rows, rng = world.rows["tiny_walk"], np.random.default_rng(0)
    found = computed("tiny_walk")["overall"]["contrasts"]["newest-never"]["metric"]
    draws = []
    for row, end in zip(rows, [*MONTHS[1:], date(2024, 6, 1)], strict=True):
        frame = followed(row.as_of, end)
        y = frame["bad"].to_numpy()
        a, b = (plain_scores("tiny_walk", v, frame) for v in (row.challenger, rows[0].challenger))
        picks = rng.integers(0, len(y), (300, len(y)))
        areas = [areas_under_curves(y[picks], scores[picks]) for scores in (a, b)]
        assert areas[0][0] == pytest.approx(roc_auc_score(y[picks[0]], a[picks[0]]))
        draws.append(areas[0] - areas[1])
    error = np.mean(draws, axis=0).std()
    assert found["error"] == pytest.approx(error, rel=0.2)


def test_the_lane_is_one_in_which_the_rules_matter(world: World) -> None:
    """Or the tests of the replay could not fail."""
    kinds = {name: [r.kind for r in rows] for name, rows in world.rows.items()}
    assert kinds["tiny_walk"].count("promote") > 1
    assert kinds["tiny_walk"] != kinds["tiny_walk_other"]
    assert "keep" in kinds["tiny_walk_other"]


def decisive(row: Decision) -> Decision:
    """A row without what cannot change its decision: warnings, and what the champion itself fails."""
    spec, verdict = ModelSpec.restore(row.spec), row.judged

    def kept(of: Verdict | Recall) -> tuple[Check, ...]:
        return tuple(result for result in of.checks if CHECKS[result.code].decides(spec))

    recall = verdict.recall and verdict.recall.model_copy(update={"checks": kept(verdict.recall)})
    left = {"checks": kept(verdict), "recall": recall, "champion_failed": ()}
    return row.model_copy(update={"verdict": verdict.model_copy(update=left)})


@pytest.mark.parametrize("model", ["tiny_walk", "tiny_walk_other", "tiny_patient"])
def test_the_replay_gives_the_ledgers_decisions_to_the_last_digit(world: World, model: str) -> None:
    rows = in_force(model, LANE, world.settings)
    setting = Setting.of(ModelSpec.restore(rows[0].spec).judgement)
    others = [
        setting.model_copy(update={"minimum_gain": gain, "confidence": level, "tolerated_loss": loss})
        for gain in (setting.minimum_gain, 0.3)
        for level in (0.95, 0.8)
        for loss in (0.0, 0.05)
    ]
    scorer = Scorer(Registry(world.settings.tracking_uri), ScoreStore(world.settings.snapshots))
    line = replay(rows, [*others, setting], scorer)[setting]
    assert line == [decisive(row) for row in rows], "whole rows, their looks and all that decides included"
    assert any(r.verdict and len(r.verdict.checks) < len(CHECKS) for r in line)


def test_another_minimum_gain_gives_what_a_lane_under_it_decided(world: World) -> None:
    rows = world.rows["tiny_walk_other"]
    found = computed("tiny_walk", "--minimum-gain", str(OTHER), "--confidence", "0.95", "--tolerated-loss", "0.01")
    assert found["reproduced"] is True
    setting = {"rule": "fresh", "tolerated_loss": 0.01, "minimum_gain": OTHER, "confidence": 0.95, "horizon": None}
    (tried,) = [w for w in found["what_if"] if w["setting"] == setting]
    assert [tried["first"], *tried["changed"]] == [str(r.as_of) for r in rows if r.changed]
    assert len(tried["champions"]) == 1 + len(tried["changed"])
    assert tried["mean"] == pytest.approx(computed("tiny_walk_other")["overall"]["policies"]["gate"]["mean"])
    (own,) = [w for w in found["what_if"] if w["own"]]
    assert own["setting"] == {**setting, "minimum_gain": OWN}
    assert own["mean"] == pytest.approx(found["overall"]["policies"]["gate"]["mean"])


def test_a_second_run_computes_no_score_and_keeps_one_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = computed("tiny_walk")

    def gone(*_: object) -> None:
        raise AssertionError("a model was read")

    monkeypatch.setattr(Models, "read", gone)
    again = computed("tiny_walk")
    assert again["computed"] == 0
    assert again == {**first, "computed": 0}
    client = MlflowClient(world.settings.tracking_uri)
    run = client.get_run(first["run_id"])
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {
        "backtest.html",
        "backtest.json",
        "age-advice.json",
    }
    assert run.info.status == "FINISHED"
    assert run.data.tags["titleholder.lane"] == LANE
    known = {r.file: r for r in reports.of_model(world.settings.ledger_url, "tiny_walk") if r.run_id == run.info.run_id}
    for name in ("backtest.html", "backtest.json", "age-advice.json"):
        content = Path(client.download_artifacts(run.info.run_id, name)).read_bytes()
        assert hashlib.sha256(content).hexdigest() in known[name].sha256
    advice = AgeAdvice.model_validate_json(content)  # as the page reads it
    assert json.loads(content)["ageing"] == first["ageing"]
    assert (advice.lane, advice.metric) == (LANE, "roc_auc")
    assert advice.sentence.startswith("The cost of age cannot be estimated yet")
    assert run.data.metrics["gate_mean_roc_auc"] == pytest.approx(first["overall"]["policies"]["gate"]["mean"])
    assert run.data.metrics["gate_over_never_lower"] <= run.data.metrics["gate_over_never_estimate"]


def test_a_backtest_that_is_not_what_was_written_is_found_by_an_audit_and_may_be_deleted(
    world: World, state: State
) -> None:
    run = computed("tiny_walk")["run_id"]
    for name in ("backtest.html", "backtest.json", "age-advice.json"):
        (file,) = state.artifacts.glob(f"*/{run}/artifacts/{name}")
        for content in (b'{"lane": NaN}', b"[" * 100_000, None):
            with replaced(file, content):
                report = audit(["tiny_walk"], settings=world.settings)
            found = [(f.check, f.lane, f.decision, f.explanation.partition(". ")[0]) for f in report.findings]
            said = ("report", LANE, None, f"{name} of the MLflow run {run} is not what was written")
            assert found == ([said] if content else [])


def test_scores_are_stored_by_version_and_snapshot_and_computed_again_where_they_are_lost(world: World) -> None:
    first = computed("tiny_walk")
    frame = pd.read_parquet(first["snapshot_uri"])
    rows = world.rows["tiny_walk"][:2]
    keys = [ScoreKey("tiny_walk", row.training_run_id, first["snapshot_sha256"]) for row in rows]
    lost, damaged = (Path(world.settings.snapshots) / key.path for key in keys)
    stored = pd.read_parquet(lost)
    expected = plain_scores("tiny_walk", rows[0].challenger, frame.iloc[stored["position"]])
    np.testing.assert_array_equal(stored["score"], expected)
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-20])
    again = computed("tiny_walk")
    assert again["computed"] > len(stored)
    assert {**again, "computed": 0} == {**first, "computed": 0}
    assert computed("tiny_walk")["computed"] == 0


def test_a_regression_is_measured_in_its_own_direction(world: World) -> None:
    rows, found = world.rows["tiny_amount"], computed("tiny_amount")
    assert found["greater_is_better"] is False
    frame = followed(MONTHS[1], MONTHS[2])
    month = found["periods"][1]
    error = {
        v: mean_squared_error(frame["amount"], plain_scores("tiny_amount", v, frame)) ** 0.5
        for v in (rows[0].challenger, rows[1].challenger)
    }
    assert month["estimates"] == {str(v): pytest.approx(e) for v, e in error.items()}
    assert month["figures"]["hindsight"]["metric"] == min(month["estimates"].values())
    lead = error[rows[0].challenger] - error[rows[1].challenger]
    assert month["contrasts"]["newest-never"]["metric"]["estimate"] == pytest.approx(lead)


def test_a_version_that_needs_columns_which_are_gone_is_left_out(world: World, tmp_path: Path) -> None:
    """Rejected long ago, it needed a column that the query has lost since."""
    model, strict = (
        "tiny_lost",
        "judgement: {metric: roc_auc, minimum_events: 30, floors: {roc_auc: 0.99}, checks: {too_good: {severity: warn}}}",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
        write_model(tmp_path, model, judgement=strict)
        old = retrain(model, MONTHS[0], LANE, world.settings)
        assert old.kind == "reject"
        write_model(tmp_path, model, judgement=RULES.format(rule="fresh", gain=OWN))
        spec, query = tmp_path / f"{model}.yaml", tmp_path / "tiny.sql"
        spec.write_text(spec.read_text().replace("signal, noise, price", "signal, noise"))
        query.write_text(query.read_text().replace(" price,", ""))
        rows = [retrain(model, month, LANE, world.settings) for month in MONTHS[1:3]]
        found = computed(model)
    assert rows[0].kind == "promote"
    assert [m["why"] for m in found["periods"]] == ["no champion yet", "", ""]
    assert [sorted(m["estimates"]) for m in found["periods"]] == [
        [], [str(rows[0].challenger)], [str(r.challenger) for r in rows],
    ]  # fmt: skip
    assert found["reproduced"] is True


def test_only_matured_outcomes_count_and_the_others_are_shown_as_unknown(world: World) -> None:
    """Outcomes mature in two months: of those known in mid May, events up to mid March count."""
    found = computed("tiny_walk", "--labels-as-of", "2024-05-15")
    assert found["matured"] == "2024-03-15"
    months = found["periods"]
    assert [bool(m["why"]) for m in months] == [False, False, False, False, True, True]
    assert months[4]["why"] == "outcomes are not final yet"
    assert (months[3]["end"], months[3]["rows"]) == ("2024-03-15", len(followed(MONTHS[3], date(2024, 3, 15))))
    assert (found["overall"]["periods"], found["overall"]["of"]) == (4, 6)
    early = computed("tiny_walk", "--labels-as-of", "2024-01-15")
    assert early["overall"]["periods"] == 0
    assert len(early["periods"]) == 6


def test_until_leaves_out_what_came_after(world: World) -> None:
    found = computed("tiny_walk", "--until", "2024-02-10")
    assert [m["period"]["as_of"] for m in found["periods"]] == ["2023-12-01", "2024-01-01", "2024-02-01"]
    assert found["periods"][-1]["end"] == "2024-03-01"


def test_what_age_costs_is_that_of_a_plain_regression_on_all_versions_of_all_months(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version on a month, with a dummy for each month; the lane is too short to tell unless less is enough."""
    for module in (validation_ageing, backtest_ageing):
        monkeypatch.setattr(module, "COHORTS", 5)
    rows, ends = world.rows["tiny_walk"], [*MONTHS[1:], date(2024, 6, 1)]
    area, paid, design, weight = [], [], [], []
    for place, (month, end) in enumerate(zip(MONTHS, ends, strict=True)):
        frame = followed(month, end)
        for row in rows[: place + 1]:
            scores = plain_scores("tiny_walk", row.challenger, frame)
            area.append(roc_auc_score(frame["bad"], scores))
            paid.append(np.mean([PAID[y, p < 0.3] for y, p in zip(frame["bad"], scores, strict=True)]))
            assert row.trained_through is not None
            age = ((month - row.trained_through).days + (end - month).days / 2) / (365.25 / 12)
            design.append([age, *np.eye(len(MONTHS))[place]])
            weight.append(min(frame["bad"].sum(), (1 - frame["bad"]).sum()) ** 0.5)
    root = np.array(weight)[:, None]
    plain = np.linalg.lstsq(np.array(design) * root, np.column_stack([area, paid]) * root, rcond=None)[0]
    found = computed("tiny_walk")["ageing"]
    assert (found["cohorts"], found["metric"]["versions"]) == (5, 6)
    assert found["metric"]["month"]["estimate"] == pytest.approx(-plain[0, 0], abs=1e-10)
    assert found["profit"]["month"]["estimate"] == pytest.approx(-plain[0, 1], abs=1e-10)
    assert found["metric"]["month"]["lower"] < -plain[0, 0] < found["metric"]["month"]["upper"]
    assert found["tolerated"] == pytest.approx(0.01)
    said = json.loads(advised("tiny_walk", "--lane", LANE, "--json").stdout)
    assert said["ageing"] == found
    assert said["retrain"] in ("monthly", "quarterly")
    text = advised("tiny_walk", "--lane", LANE).stdout
    assert text.startswith(said["sentence"][:40])
    assert "Expected gain over retraining quarterly" in text
    assert "profit a row" in text
    assert "older by" in text


def test_advice_says_how_much_more_it_takes_and_writes_nothing(world: World) -> None:
    done = advised("tiny_walk", "--lane", LANE)
    assert done.exit_code == 0, done.output
    sentence = (
        "The cost of age cannot be estimated yet: 5 months with final outcomes have two versions or more to compare"
    )
    assert " ".join(done.stdout.split()) == f"{sentence}, and it takes 10, so 5 months more."
    early = json.loads(advised("tiny_walk", "--lane", LANE, "--labels-as-of", "2024-05-15", "--json").stdout)
    assert (early["ageing"]["cohorts"], early["ageing"]["more"], early["retrain"]) == (3, 7, None)
    assert early["earliest"] == "2025-01-01", "seven more months from April on, and two until outcomes are final"
    assert early["sentence"].endswith("so 7 months more. Their outcomes are final on 2025-01-01.")
    error = advised("tiny_walk", "--lane", "nowhere").exception
    assert isinstance(error, UsageError)
    assert "no decision in lane nowhere" in str(error)
    assert "`titleholder advise tiny_walk --lane " in str(error)


def test_people_get_the_sentence_the_tables_and_a_page_without_script_or_address(world: World, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["backtest", "tiny_walk", "--lane", LANE, "--html", str(file)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert said.index("over the 6 months that can be compared") < said.index("on the rows that followed")
    assert "The lane under other thresholds" in said
    assert "The cost of age cannot be estimated yet: 5 months" in said
    assert all(str(month) in said for month in MONTHS)
    assert f"Report: {file}" in done.stdout
    text = file.read_text()
    assert "<script" not in text
    assert "would retraining have been worth it?" in text
    addresses = {a for a in text.split('"') if a.startswith("http")}
    assert all(a.startswith(world.settings.tracking_uri) for a in addresses)


def test_a_daily_model_is_compared_by_the_day_and_its_history_names_days(world: World, tmp_path: Path) -> None:
    file, wide = tmp_path / "report.html", CliRunner(env={"COLUMNS": "200"})
    found = computed("tiny_daily", "--html", str(file))
    assert [(p["period"]["as_of"], p["period"]["end"]) for p in found["periods"]] == [
        (str(day), str(day + timedelta(days=1))) for day in DAYS
    ]
    text = file.read_text()
    assert "A day\N{RIGHT SINGLE QUOTATION MARK}s rows are those" in text
    assert "month" not in text.partition("<body>")[2].partition('id="done"')[0].lower()
    done = wide.invoke(app, ["history", "tiny_daily", "--lane", LANE])
    assert done.exit_code == 0, done.output
    assert all(str(day) in done.stdout for day in DAYS)
    champion = world.rows["tiny_daily"][0].champion_after
    assert f"v{champion} ({DAYS[0]})" in done.stdout
    assert "month" not in done.stdout
    assert any(check.code == "TH405" and check.status == "pass" for check in world.rows["tiny_daily"][0].judged.checks)


def test_a_lane_without_decisions_names_those_that_have_some(world: World) -> None:
    for words, said in (
        (
            ("tiny_walk", "--lane", "nowhere"),
            "no decision in lane nowhere. Lanes with decisions: walked. `titleholder backtest tiny_walk --lane walked`",
        ),
        (("tiny_walk", "--lane", LANE, "--until", "2020-01-01"), "the first is of 2023-12-01"),
        (("tiny_wlk",), "Did you mean 'tiny_walk'"),
        (("tiny_walk", "--lane", LANE, "--confidence", "0.2"), "confidence: 0.2 is invalid"),
        (("tiny_walk", "--lane", LANE, "--labels-as-of", str(date.today() + timedelta(days=9))), "are not known yet"),
    ):
        error = invoke(*words).exception
        assert isinstance(error, UsageError)
        assert error.exit_code == 2
        assert said in str(error)


def test_a_service_that_is_down_ends_with_exit_code_3(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITLEHOLDER_LEDGER_URL", "postgresql://nobody@127.0.0.1:9/none")
    error = invoke("tiny_walk", "--lane", LANE).exception
    assert isinstance(error, ServiceError)
    assert error.exit_code == 3


def test_the_ledger_is_as_it_was(world: World) -> None:
    for model, rows in world.rows.items():
        assert store.read(world.settings.ledger_url, model, LANE) == rows
