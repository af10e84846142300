"""Challengers that score beside the champion, on real PostgreSQL and MLflow."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import EASY, World, models_in, replaced
from support.retraining import TESTER, retrain
from support.succession_world import MODELS, write_model
from titleholder.cli.main import app
from titleholder.errors import DataError, UsageError
from titleholder.ledger import score_runs
from titleholder.ledger.database import engine
from titleholder.registry.client import Registry, registry_at
from titleholder.settings import connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import batch_scoring, shadow_scoring
from titleholder.workflow.audit import audit
from titleholder.workflow.champion_model import ChampionModel
from titleholder.workflow.garbage.collection import collect
from titleholder.workflow.payloads import PinnedChallenger, PinnedVersion

pytestmark = pytest.mark.slow
MODEL, LANE = "shadowing", "shadowed"
MONTHS = [date(2024, m, 1) for m in (1, 2, 3)]
DAY = date(2024, 3, 10)
SCORING = f"scoring: {{query: tiny_scoring.sql, window: 5 days, lane: {LANE}, shadow: 2}}"


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three months, each of which crowns its challenger: the first two are the newest challengers beside the third."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, MODEL, judgement=EASY, promotion=SCORING)
    (folder / "tiny_scoring.sql").write_text((MODELS / "tiny_scoring.sql").read_text())
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, month, LANE, settings) for month in MONTHS]
        assert [row.kind for row in rows] == ["promote"] * 3
        yield World(MODEL, settings, state, rows)


def pin(world: World, day: date = DAY, **scoring: object) -> PinnedVersion:
    spec = load_specs(only=MODEL)[MODEL]
    assert spec.scoring is not None
    spec = spec.model_copy(update={"scoring": spec.scoring.model_copy(update=scoring)})
    return batch_scoring.pin(spec, day, LANE, url=connection_url("warehouse"), origin=TESTER, settings=world.settings)


def score(world: World, pinned: PinnedVersion) -> tuple[score_runs.ScoreRun, shadow_scoring.ShadowRuns]:
    champion = batch_scoring.score(pinned, url=connection_url("warehouse"), settings=world.settings)
    return champion, shadow_scoring.shadow(pinned, settings=world.settings)


def stored(world: World, run: int) -> pd.DataFrame:
    with engine(world.settings.ledger_url).connect() as connection:
        return pd.read_sql(f"SELECT * FROM titleholder.scores WHERE run = {run} ORDER BY position", connection)


def test_the_newest_challengers_that_are_not_champion_are_pinned_with_the_first_decision_about_each(
    world: World,
) -> None:
    first, second, third = world.rows
    beside = [PinnedChallenger(version=row.challenger, decision=row.id) for row in (second, first)]
    assert (pin(world).version, pin(world).challengers) == (third.challenger, tuple(beside))
    assert pin(world, shadow=1).challengers == tuple(beside[:1])
    assert pin(world, shadow=0).challengers == ()
    earlier = pin(world, date(2024, 2, 10))
    assert (earlier.version, [c.version for c in earlier.challengers]) == (second.challenger, [first.challenger])


def test_challengers_score_the_champions_rows_and_current_scores_stay_the_champions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, beside = score(world, pin(world))
    assert [(run.role, run.version, run.decision) for run in beside.runs] == [
        ("challenger", row.challenger, row.id) for row in world.rows[1::-1]
    ]
    assert beside.failed == ()
    rows = stored(world, champion.id)
    assert len(rows) == champion.rows > 30
    inputs = pd.read_parquet(champion.input_uri)
    for run, row in zip(beside.runs, world.rows[1::-1], strict=True):
        assert (run.input_uri, run.input_sha256, run.rows) == (champion.input_uri, champion.input_sha256, champion.rows)
        own, logged = stored(world, run.id), row.nominee.model
        assert own["entity"].tolist() == rows["entity"].tolist()
        spec = ModelSpec.restore(row.spec)
        model = Registry(world.settings.tracking_uri).models.read(logged.uri, logged.sha256, spec)
        features = inputs[spec.columns.features].astype({"kind": object})
        np.testing.assert_allclose(own["score"], model.predict_proba(features)[:, 1], rtol=0, atol=1e-12)
        assert not np.allclose(own["score"], rows["score"])
    with engine(world.settings.ledger_url).connect() as connection:
        current = pd.read_sql(f"SELECT * FROM titleholder.current_scores WHERE model = '{MODEL}'", connection)
    assert set(current["version"]) == {champion.version}
    assert len(documented(world, "batch-scoring.md", "as challenger")) == 2 * champion.rows
    assert set(documented(world, "use-the-champion.md", "reason_texts")["version"]) == {champion.version}
    monkeypatch.setattr(shadow_scoring, "write", None)
    assert shadow_scoring.shadow(pin(world), settings=world.settings) == beside, "a repeated call finds its results"


def documented(world: World, page: str, words: str) -> pd.DataFrame:
    """What the documentation's query that has these words returns for this model, lane and day."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    (query,) = (block for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if words in block)
    query = query.replace("my_model", MODEL).replace("'live'", f"'{LANE}'").replace("2026-03-01", str(DAY))
    with engine(world.settings.ledger_url).connect() as connection:
        return pd.read_sql(query, connection)


def test_the_champions_scores_have_reasons_and_challengers_none(world: World) -> None:
    champion, beside = score(world, pin(world, date(2024, 3, 18), reasons=2, shadow=1))
    assert stored(world, champion.id)["reasons"].map(len).max() == 2
    assert len(beside.runs) == 1
    assert (champion.reasons_for, beside.runs[0].reasons_for) == ("high", "")
    assert stored(world, beside.runs[0].id)["reasons"].isna().all()


def test_they_do_not_score_before_the_champion(world: World) -> None:
    with pytest.raises(UsageError, match=r"shadowing as of 2024-03-20: the champion, version \d+, has not scored yet"):
        shadow_scoring.shadow(pin(world, date(2024, 3, 20)), settings=world.settings)


def test_a_challenger_whose_model_is_gone_is_named_and_the_others_score(world: World) -> None:
    pinned = pin(world, date(2024, 3, 11))
    gone = world.rows[1]
    name = gone.nominee.model.uri.rpartition("/")[2]
    (file,) = world.state.artifacts.glob(f"*/models/{name}/artifacts/model.skops")
    registry_at.cache_clear()  # this process has read the model
    with replaced(file, None):
        champion, beside = score(world, pinned)
    assert [run.version for run in beside.runs] == [world.rows[0].challenger]
    assert [one.version for one in beside.failed] == [gone.challenger]
    assert f"version {gone.challenger} did not score in shadow: " in str(beside.failed[0])
    assert len(stored(world, champion.id)) == champion.rows
    again = shadow_scoring.shadow(pinned, settings=world.settings)
    assert ([run.version for run in again.runs], again.failed) == (
        [row.challenger for row in world.rows[:2]],
        (),
    ), "a repeated call tries again what failed"


def test_a_challenger_that_needs_a_column_which_the_rows_lack_is_named_and_the_others_score(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, needy = shadow_scoring.model_of, world.rows[1]

    def model_of(decision: int, settings: object) -> ChampionModel:
        model = known(decision, settings)  # type: ignore[arg-type]
        columns = model.spec.columns.model_copy(update={"numeric": (*model.spec.columns.numeric, "income")})
        wider = model.spec.model_copy(update={"columns": columns})
        return model._replace(spec=wider) if decision == needy.id else model

    monkeypatch.setattr(shadow_scoring, "model_of", model_of)
    _, beside = score(world, pin(world, date(2024, 3, 12)))
    assert [run.version for run in beside.runs] == [world.rows[0].challenger]
    assert [one.version for one in beside.failed] == [needy.challenger]
    assert "- income" in beside.failed[0].reason


class Fixed:
    """A pipeline that needs `signal` alone."""

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        assert list(rows) == ["signal"]
        return np.full((len(rows), 2), 0.5)


def test_a_column_that_only_the_champion_needs_keeps_no_challenger_from_scoring(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features that were taken out of the spec stay in the query while a version that needs them is champion."""
    known = shadow_scoring.model_of

    def model_of(decision: int, settings: object) -> ChampionModel:
        model = known(decision, settings)  # type: ignore[arg-type]
        return model._replace(spec=of_one_feature(model.spec), pipeline=Fixed())  # type: ignore[arg-type]

    monkeypatch.setattr(shadow_scoring, "model_of", model_of)
    pinned = pin(world, date(2024, 3, 15))
    _, beside = score(world, pinned.model_copy(update={"spec": of_one_feature(pinned.spec)}))
    assert beside.failed == ()
    assert len(beside.runs) == 2


def of_one_feature(spec: ModelSpec) -> ModelSpec:
    fewer = {"numeric": ("signal",), "categorical": (), "segments": ()}
    return spec.model_copy(update={"columns": spec.columns.model_copy(update=fewer)})


def test_an_audit_and_a_collection_know_shadow_runs(world: World) -> None:
    champion, beside = score(world, pin(world, date(2024, 3, 13), shadow=1))
    collect([MODEL], older_than=timedelta(0), now=time.time() + 60, settings=world.settings, delete=True)
    assert audit([MODEL], settings=world.settings).findings == ()
    path = Path(champion.input_uri)
    with replaced(path, None):
        found = audit([MODEL], settings=world.settings).findings
        with pytest.raises(DataError, match="cannot be read"):
            shadow_scoring.shadow(pin(world, date(2024, 3, 13)), settings=world.settings)
    assert [one.check for one in found] == ["snapshot"], "an input that two runs share is one finding"
    assert f"Scoring run {champion.id} " in found[0].explanation
    shadow = beside.runs[0]
    place = f"WHERE run = {shadow.id} AND position = 3"
    with world.superuser() as cursor:
        cursor.execute(f"SELECT score FROM titleholder.scores {place}")
        ((kept,),) = cursor.fetchall()
        cursor.execute("ALTER TABLE titleholder.scores DISABLE TRIGGER no_change")
        cursor.execute(f"UPDATE titleholder.scores SET score = score + 1e-9 {place}")
        found = audit([MODEL], settings=world.settings).findings
        cursor.execute(f"UPDATE titleholder.scores SET score = {kept!r} {place}")
        cursor.execute("ALTER TABLE titleholder.scores ENABLE ALWAYS TRIGGER no_change")
    said = " ".join(one.explanation for one in found if one.check == "scores")
    assert f"Scoring run {shadow.id} (as of 2024-03-13, version {shadow.version}, in shadow) wrote other scores" in said


def test_the_command_line_scores_in_shadow_too(world: World) -> None:
    said = CliRunner().invoke(app, ["score", MODEL, "--as-of", "2024-03-14", "--json"])
    assert said.exit_code == 0, (said.output, said.exception)
    run = json.loads(said.stdout)
    versions = [row.challenger for row in world.rows[1::-1]]
    assert [one["version"] for one in run["shadow"]["runs"]] == versions
    text = CliRunner().invoke(app, ["score", MODEL, "--as-of", "2024-03-14"]).stdout
    assert f"the same rows scored in shadow by version {versions[0]}." in text
    listed = json.loads(CliRunner().invoke(app, ["scores", MODEL, "--json"]).stdout)
    assert [one["role"] for one in listed if one["as_of"] == "2024-03-14"] == ["champion", "challenger", "challenger"]
