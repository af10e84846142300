"""Candidates of a run that give way to one another, on real PostgreSQL and a real MLflow server."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.retraining import TESTER, extract
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import TrainedCandidate
from titleholder.workflow.reproduce import reproduce

pytestmark = pytest.mark.slow
MONTH = date(2024, 1, 1)


def test_a_nominee_that_is_unfit_gives_way_to_the_next_candidate_and_a_retry_changes_nothing(
    settings: Settings,
) -> None:
    """Searched by ROC AUC, a penalty that makes every probability alike in size cannot be seen before it is judged."""
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    timid = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 1e-5}}
    boosting = tiny["training"]["candidates"]["boosting"]
    candidates = {"timid": timid, "boosting": boosting}
    tiny["training"] = {**tiny["training"], "search": {"trials": 2, "folds": 2, "metric": "roc_auc"}}
    spec = ModelSpec.restore({**tiny, "training": {**tiny["training"], "candidates": candidates}})
    url = connection_url("warehouse")
    snapshot = steps.extract(spec, MONTH, "family", url=url, origin=TESTER, settings=settings)
    trained = [steps.train(snapshot, name, settings=settings) for name in snapshot.candidates]
    nominee = steps.nominate(trained, settings=settings)
    assert nominee.name == "timid"
    validated = steps.validate(nominee, settings=settings)
    assert steps.validate(nominee, settings=settings) == validated
    challenger, verdict = validated.challenger, validated.verdict
    assert (challenger.name, verdict.candidate) == ("boosting", "boosting")
    assert [(u.name, u.version, u.failed) for u in verdict.unfit] == [("timid", nominee.version, ("TH203",))]
    decision = steps.promote(steps.decide(validated, settings=settings), settings=settings)
    assert (decision.kind, decision.challenger_version) == ("promote", challenger.version)
    assert decision.reason.endswith(f"Judged after timid (version {nominee.version}), unfit on the same rows.")
    again = steps.validate(nominee, settings=settings)
    assert (again.challenger, again.verdict) == (challenger, verdict)
    assert steps.promote(steps.decide(again, settings=settings), settings=settings) == decision
    steps.report(decision.id, origin=TESTER, settings=settings)
    assert Registry(settings.tracking_uri).models.tags("tiny", nominee.version)["titleholder.verdict"] == "unfit"
    client = MlflowClient(settings.tracking_uri)
    card = Path(client.download_artifacts(decision.mlflow_run_id, "card.html")).read_text()
    assert f"timid (version {nominee.version}) is unfit for use: TH203. 2 candidates were judged" in card
    reproduced = reproduce(decision.id, settings=settings)
    assert reproduced.same
    assert [(p.equal, p.different) for p in reproduced.parts if p.name == "unfit candidates"] == [(1, 0)]


def test_the_best_candidate_is_nominated_and_a_tie_goes_to_the_first(settings: Settings) -> None:
    snapshot = extract("tiny", MONTH, "nominate", settings)
    both = [steps.train(snapshot, name, settings=settings) for name in snapshot.candidates]
    best = min(both, key=lambda c: c.score)  # log loss
    assert steps.nominate(both[::-1], settings=settings).name == best.name
    level: list[TrainedCandidate] = [c.model_copy(update={"score": 0.5}) for c in both]
    assert steps.nominate(level[::-1], settings=settings).name == "scorecard"
