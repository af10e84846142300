"""Candidates of a run that give way to one another, on real PostgreSQL and a real MLflow server."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from support.retraining import TESTER, extract
from titleholder.ledger import store
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import Challenger, TrainedCandidate
from titleholder.workflow.reproduce import reproduce

pytestmark = pytest.mark.slow
MONTH = date(2024, 1, 1)


TIMID = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 1e-5}}


def nominated(candidates: dict[str, Any], as_of: date, lane: str, settings: Settings) -> Challenger:
    """The nominee of these candidates.

    Searched by ROC AUC, a penalty that makes every probability alike in size cannot be seen before it is judged.
    """
    tiny = load_specs(only="tiny")["tiny"].model_dump(mode="json")
    tiny["training"] = {**tiny["training"], "search": {"trials": 2, "folds": 2, "metric": "roc_auc"}}
    spec = ModelSpec.restore({**tiny, "training": {**tiny["training"], "candidates": candidates}})
    url = connection_url("warehouse")
    snapshot = steps.extract(spec, as_of, lane, url=url, origin=TESTER, settings=settings)
    trained = [steps.train(snapshot, name, settings=settings) for name in snapshot.candidates]
    return steps.nominate(trained, settings=settings)


def test_where_no_candidate_is_fit_the_nominee_stays(settings: Settings) -> None:
    """The last candidate took its place, was excused by a champion that is as far off, and a better one was lost."""
    shy = {**TIMID, "params": {"C": 2e-5}}
    first = nominated({"timid": TIMID}, MONTH, "all-unfit", settings)
    crowned = steps.promote(steps.propose(first, settings=settings), settings=settings)
    assert crowned.kind == "reject", "by itself nothing excuses it"
    nominee = nominated({"timid": TIMID, "shy": shy}, date(2024, 2, 1), "all-unfit", settings)
    validated = steps.validate(nominee, settings=settings)
    challenger, verdict = validated.challenger, validated.verdict
    assert (challenger.version, verdict.unfit) == (nominee.version, ())
    (also,) = verdict.also_unfit
    assert ({also.name, challenger.name}, also.failed) == ({"timid", "shy"}, ("TH203",))
    assert verdict.confidence == nominee.snapshot.spec.judgement.confidence
    assert steps.validate(nominee, settings=settings) == validated
    decision = steps.promote(steps.decide(validated, settings=settings), settings=settings)
    assert (decision.kind, decision.challenger_version) == ("reject", nominee.version)
    again = steps.validate(nominee, settings=settings)
    assert (again.challenger, again.verdict) == (challenger, verdict)
    models = Registry(settings.tracking_uri).models
    assert models.tags("tiny", also.version)["titleholder.verdict"] == "unfit"
    assert store.references(settings.ledger_url, "tiny")["all-unfit"].versions.keys() >= {also.version, nominee.version}
    reproduced = reproduce(decision.id, settings=settings)
    assert reproduced.same
    assert [(p.equal, p.different) for p in reproduced.parts if p.name == "unfit candidates"] == [(1, 0)]


def test_a_nominee_that_is_unfit_gives_way_to_the_next_candidate_and_a_retry_changes_nothing(
    settings: Settings,
) -> None:
    boosting = load_specs(only="tiny")["tiny"].model_dump(mode="json")["training"]["candidates"]["boosting"]
    nominee = nominated({"timid": TIMID, "boosting": boosting}, MONTH, "family", settings)
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
    card = Path(client.download_artifacts(decision.mlflow_run_id, f"card-{decision.id}.html")).read_text()
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
