"""Scores that were sealed before the outcomes, and features at scoring time, when labels mature: on real services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import EASY, World, models_in
from support.retraining import TESTER, challenge, retrain, settle
from support.succession_world import MODELS, write_model
from titleholder.cli.main import app
from titleholder.ledger import score_runs
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import connection_url
from titleholder.spec.loader import load_specs
from titleholder.validation.checks.base import Result
from titleholder.workflow import batch_scoring, shadow_scoring, steps
from titleholder.workflow.payloads import Challenger
from titleholder.workflow.reproduce import reproduce

pytestmark = pytest.mark.slow
MODEL, LANE = "sealed", "sealing"
MONTHS = [date(2024, m, 1) for m in (1, 2, 3)]
JUDGED = date(2024, 6, 1)
"""Its holdout is February and March."""
SCORING = f"scoring: {{query: tiny_scoring.sql, window: 1 month, lane: {LANE}, shadow: 2}}"
SQL = (MODELS / "tiny_scoring.sql").read_text()


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three champions; February scored as it was, March with a price in cents, both when it was the time to."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, MODEL, judgement=EASY.replace("fresh", "record"), promotion=SCORING)
    (folder / "tiny_scoring.sql").write_text(SQL)
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, month, LANE, settings) for month in MONTHS]
        assert [row.kind for row in rows] == ["promote"] * 3
        made = World(MODEL, settings, state, rows)
        written(made, scored(made, date(2024, 3, 1)), "2024-03-01 06:00+00")
        cents = SQL.replace(" price,", " price * 100 as price,")
        written(made, scored(made, date(2024, 4, 1), sql=cents), "2024-04-01 06:00+00")
        yield made


def scored(world: World, day: date, **scoring: object) -> list[ScoreRun]:
    """The champion's run and those of the challengers, written today by the clock."""
    spec, url = load_specs(only=MODEL)[MODEL], connection_url("warehouse")
    assert spec.scoring is not None
    spec = spec.model_copy(update={"scoring": spec.scoring.model_copy(update=scoring)})
    pinned = batch_scoring.pin(spec, day, LANE, url=url, origin=TESTER, settings=world.settings)
    champion = batch_scoring.score(pinned, url=url, settings=world.settings)
    beside = shadow_scoring.shadow(pinned, settings=world.settings)
    assert beside.failed == ()
    return [champion, *beside.runs]


def written(world: World, runs: list[ScoreRun], moment: str) -> None:
    """Runs that seem to have been written at this time."""
    ids = ", ".join(str(run.id) for run in runs)
    with world.superuser() as cursor:
        cursor.execute("ALTER TABLE titleholder.score_runs DISABLE TRIGGER no_change")
        cursor.execute(f"UPDATE titleholder.score_runs SET created_at = '{moment}' WHERE id IN ({ids})")
        cursor.execute("ALTER TABLE titleholder.score_runs ENABLE ALWAYS TRIGGER no_change")


@pytest.fixture(scope="module")
def challenger(world: World) -> Challenger:
    return challenge(MODEL, JUDGED, LANE, world.settings)


def judged(world: World, challenger: Challenger) -> dict[str, Result]:
    verdict = steps.validate(challenger, settings=world.settings).verdict
    return {result.code: result for result in verdict.checks}


def stored(world: World, run: int) -> pd.DataFrame:
    with world.superuser() as cursor:
        cursor.execute(f"SELECT entity, event_time, score FROM titleholder.scores WHERE run = {run}")
        return pd.DataFrame(cursor.fetchall(), columns=["entity", "event_time", "score"])


def test_the_verdict_says_which_rows_have_sealed_scores_and_what_they_are_worth_against_todays(
    world: World, challenger: Challenger
) -> None:
    found = judged(world, challenger)["TH801"]
    runs = [run for run in score_runs.of_model(world.settings.ledger_url, MODEL) if run.created_at.year == 2024]
    champion = pd.concat([stored(world, run.id) for run in runs if run.role == "champion"])
    rows = pd.read_parquet(challenger.snapshot.uri)
    rows = rows[rows["happened_at"] >= pd.Timestamp("2024-02-01", tz="UTC")]
    both = rows.assign(entity=rows["id"].astype(str)).merge(champion, on="entity")
    assert len(both) == len(rows) > 600
    for row in world.rows:
        assert found.numbers[f"sealed_rows_of_version_{row.challenger}"] == len(rows)
    march = int((both["happened_at"] >= pd.Timestamp("2024-03-01", tz="UTC")).sum())
    assert found.numbers["scores"] == 3 * len(rows)
    assert 0.9 * 3 * march < found.numbers["differing"] <= 3 * march, "February was scored as it was"
    assert (found.severity, found.status) == ("warn", "fail")
    was = roc_auc_score(both["bad"], both["score"])
    assert f"of version {world.rows[2].challenger} on them: {was:.4f} by the sealed scores" in found.explanation
    assert found.numbers["difference_lower"] <= found.numbers["difference"] <= found.numbers["difference_upper"]
    assert (
        found.remedy
        == "The features have changed since the rows were scored, by a leak or by skew: TH802 says which did."
    )


def test_versions_that_scored_at_the_time_are_asked_though_nobody_compares_them_now(
    world: World, challenger: Challenger
) -> None:
    """Under the rule `fresh` the challenger is compared with the champion alone."""
    spec = challenger.snapshot.spec
    fresh = spec.model_copy(update={"judgement": spec.judgement.model_copy(update={"rule": "fresh"})})
    alone = challenger.model_copy(update={"snapshot": challenger.snapshot.model_copy(update={"spec": fresh})})
    now, then = judged(world, alone)["TH801"], judged(world, challenger)["TH801"]
    assert [now.numbers[f"sealed_rows_of_version_{row.challenger}"] for row in world.rows] == [then.numbers["rows"]] * 3
    assert now.numbers == then.numbers


def test_skew_names_the_feature_whose_unit_was_another_at_scoring_time_only(
    world: World, challenger: Challenger
) -> None:
    found = judged(world, challenger)["TH802"]
    rows = pd.read_parquet(challenger.snapshot.uri)
    scored_rows = rows[rows["happened_at"] >= pd.Timestamp("2024-02-01", tz="UTC")]
    cents = int((scored_rows["happened_at"] >= pd.Timestamp("2024-03-01", tz="UTC")).sum())
    assert (found.status, found.severity) == ("fail", "warn")
    assert found.numbers["rows"] == len(scored_rows)
    assert {name for name in found.numbers if name.startswith("share_")} == {"share_price"}
    assert found.numbers["share_price"] == pytest.approx(cents / len(scored_rows))
    assert "another value then had price in " in found.explanation
    worst = scored_rows[scored_rows["happened_at"] >= pd.Timestamp("2024-03-01", tz="UTC")].nlargest(1, "price").iloc[0]
    example = f"(entity {worst['id']}: {worst['price'] * 100:.10g} at scoring, {worst['price']:.10g} in training)"
    assert example in found.explanation


def test_a_backfilled_run_is_not_sealed_and_changes_no_verdict(world: World, challenger: Challenger) -> None:
    before = judged(world, challenger)
    assert scored(world, date(2024, 2, 20))[0].created_at.year > 2024
    assert judged(world, challenger) == before


@contextmanager
def moved(world: World, moment: str) -> Iterator[None]:
    """All runs of 2024 at another time, and as they were in the end."""
    runs = [run for run in score_runs.of_model(world.settings.ledger_url, MODEL) if run.created_at.year == 2024]
    written(world, runs, moment)
    try:
        yield
    finally:
        for run in runs:
            written(world, [run], run.created_at.isoformat())


def test_only_scores_before_the_label_maturity_are_sealed_by_the_databases_clock(
    world: World, challenger: Challenger
) -> None:
    rows = pd.read_parquet(challenger.snapshot.uri)
    last = int((rows["happened_at"] >= pd.Timestamp("2024-03-16", tz="UTC")).sum())
    with moved(world, "2024-05-15 12:00+00"):
        found = judged(world, challenger)["TH801"]
    assert found.numbers[f"sealed_rows_of_version_{world.rows[2].challenger}"] == last
    with moved(world, "2024-05-31 23:59+00"):
        found = judged(world, challenger)["TH801"]
    assert found.status == "not_applicable"
    assert found.explanation.startswith("No score of the judged rows was written before")


def test_scores_that_are_not_those_that_were_written_are_no_evidence(world: World, challenger: Challenger) -> None:
    run = next(r for r in score_runs.of_model(world.settings.ledger_url, MODEL) if r.created_at.year == 2024)
    place = f"WHERE run = {run.id} AND position = 3"
    with world.superuser() as cursor:
        cursor.execute(f"SELECT score FROM titleholder.scores {place}")
        ((kept,),) = cursor.fetchall()
        cursor.execute("ALTER TABLE titleholder.scores DISABLE TRIGGER no_change")
        cursor.execute(f"UPDATE titleholder.scores SET score = score + 1e-9 {place}")
        try:
            found = judged(world, challenger)["TH801"]
        finally:
            cursor.execute(f"UPDATE titleholder.scores SET score = {kept!r} {place}")
            cursor.execute("ALTER TABLE titleholder.scores ENABLE ALWAYS TRIGGER no_change")
    assert judged(world, challenger)["TH801"].numbers["rows"] > 0, "and it is again, with the score that was written"
    assert found.status == "fail"
    assert f"The ledger has other scores than scoring run {run.id} wrote." in found.explanation


def test_a_decision_with_sealed_scores_is_reproduced_with_every_number(world: World, challenger: Challenger) -> None:
    """From here on a decision stands about this challenger."""
    decision = settle(challenger, world.settings)
    made = reproduce(decision.id, settings=world.settings)
    assert made.same, made.differences


def test_the_command_line_shows_the_skew_and_ends_with_1(world: World, challenger: Challenger) -> None:
    settle(challenger, world.settings)
    said = CliRunner().invoke(app, ["skew", MODEL, "--lane", LANE, "--json"])
    assert said.exit_code == 1, (said.output, said.exception)
    found = json.loads(said.stdout)
    assert (found["as_of"], [column["column"] for column in found["beyond"]]) == (str(JUDGED), ["price"])
    price = next(column for column in found["skew"]["columns"] if column["column"] == "price")
    assert np.isclose(float(price["example"]["at_scoring"]), 100 * float(price["example"]["in_training"]))
    table = CliRunner().invoke(app, ["skew", MODEL, "--lane", LANE]).stdout
    assert "price" in table
    assert "signal" in table
