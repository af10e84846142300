"""What becomes of a retrain's run in MLflow when its candidates fail, on real PostgreSQL and a real MLflow server."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest

from support.retraining import TESTER, extract, settle
from titleholder.errors import ServiceError, TrainingError
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.models import Models
from titleholder.registry.runs import Runs
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.training import memory
from titleholder.workflow import retrain_runs, steps, training_record
from titleholder.workflow.retrain import retrain as whole_retrain

pytestmark = pytest.mark.slow
MONTH = date(2024, 1, 1)


def test_a_candidate_that_was_killed_whenever_it_was_tried_is_not_open_for_ever(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = extract("tiny", MONTH, "killed-for-good", settings)
    with monkeypatch.context() as patch:  # killed: nothing could be said about it any more
        patch.setattr(Runs, "running", lambda *_: contextlib.nullcontext())
        patch.setattr(Models, "log", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            steps.train(snapshot, "boosting", settings=settings)
    trained = steps.train(snapshot, "scorecard", settings=settings)
    decision = settle(steps.nominate([trained], settings=settings), settings)
    steps.report(decision.id, origin=TESTER, settings=settings)
    runs = [run for run in Registry(settings.tracking_uri).runs.of_model("tiny") if snapshot.run_id in run[:2]]
    assert sorted(run.status for run in runs) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_run_fails_with_the_last_of_its_candidates_and_goes_on_with_one_that_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = extract("tiny", MONTH, "none-trained", settings)
    runs = Registry(settings.tracking_uri).runs

    def status() -> tuple[str, bool]:
        own = next(run for run in runs.of_model("tiny") if run.run_id == snapshot.run_id)
        return own.status, runs.under_way("tiny", "none-trained", since=0)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    def fails(name: str) -> None:
        with pytest.raises(TrainingError, match=f"no room for {name}"):
            steps.train(snapshot, name, settings=settings)

    with monkeypatch.context() as patch:
        patch.setattr(memory, "shortage", lambda _, name, __: f"no room for {name}")
        first, *others, last = snapshot.candidates
        for name in (first, first, *others):
            fails(name)
        assert status() == ("RUNNING", True), "one may yet succeed"
        fails(last)
        assert status() == ("FAILED", False)
    runs.open("tiny", "another try", last, names.tags(candidate=last), parent=snapshot.run_id)
    assert not runs.all_failed("tiny", snapshot.run_id, snapshot.candidates), "the newest run of each counts"
    trained = steps.train(snapshot, "scorecard", settings=settings)
    settle(steps.nominate([trained], settings=settings), settings)
    assert status() == ("FINISHED", False)
    with monkeypatch.context() as patch:
        patch.setattr(Runs, "all_failed", lambda *_: True)
        patch.setattr(retrain_runs, "fit_and_store", broken)
        patch.setattr(training_record, "read", lambda *_: None)
        patch.setattr(training_record, "decided", lambda *_: None)
        with pytest.raises(RuntimeError, match="no ink"):
            steps.train(snapshot, "scorecard", settings=settings)
    assert status() == ("FINISHED", False), "something was decided in it"


def test_a_command_that_is_broken_off_leaves_no_run_under_way(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an error after which it tries no other candidate."""
    spec, url = load_specs(only="tiny")["tiny"], connection_url("warehouse")
    assert len(spec.training.candidates) > 1
    monkeypatch.setattr(retrain_runs, "fit_and_store", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        whole_retrain(spec, MONTH, "broken-off", url=url, origin=TESTER, settings=settings)
    assert not Registry(settings.tracking_uri).runs.under_way("tiny", "broken-off", since=0)


def test_a_run_whose_nomination_fails_is_not_under_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = extract("tiny", MONTH, "not-nominated", settings, candidates=("scorecard",))
    trained = steps.train(snapshot, "scorecard", settings=settings)
    monkeypatch.setattr(Models, "register", lambda *_, **__: (_ for _ in ()).throw(ServiceError("MLflow is away")))
    with pytest.raises(ServiceError, match="MLflow is away"):
        steps.nominate([trained], settings=settings)
    assert not Registry(settings.tracking_uri).runs.under_way("tiny", "not-nominated", since=0)
