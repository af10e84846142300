"""One retrain in a process: a candidate that cannot be trained leaves the others running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from support.factories import a_decision, a_spec
from titleholder.errors import ServiceError, SpecError, TitleholderError, TrainingError
from titleholder.settings import Settings
from titleholder.workflow import retrain as retraining
from titleholder.workflow.payloads import Origin

SETTINGS = Settings(snapshots="/s", tracking_uri="http://x", ledger_url="postgresql://x")


def run(
    patch: pytest.MonkeyPatch, failures: dict[str, Exception], report: Exception | None = None, head: int = 0
) -> Any:
    """The steps in memory, in a lane with `head` decisions; returns the result, and who was nominated."""
    nominated: list[str] = []

    @contextmanager
    def failing(*_: Any, **__: Any) -> Iterator[None]:
        try:
            yield
        except TitleholderError as error:
            error.add_note("the run is FAILED")
            raise

    def train(_: Any, name: str, **__: Any) -> str:
        if name in failures:
            raise failures[name]
        return name

    def write_report(*_: Any, **__: Any) -> None:
        if report:
            raise report

    patch.setattr(
        retraining,
        "steps",
        SimpleNamespace(
            extract=lambda *_, **__: SimpleNamespace(candidates=("line", "trees")),
            failing=failing,
            train=train,
            nominate=lambda trained, **_: nominated.extend(trained),
            propose=lambda *_, **__: SimpleNamespace(head=head),
            promote=lambda *_, **__: a_decision(),
            report=write_report,
        ),
    )
    done = retraining.retrain(a_spec(), date(2024, 7, 1), "dev", url="", origin=Origin(actor="ann"), settings=SETTINGS)
    return done, nominated


def test_every_candidate_is_nominated_when_none_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done, nominated = run(monkeypatch, {})
    assert (done.decision.id, dict(done.failed), nominated) == (101, {}, ["line", "trees"])


@pytest.mark.parametrize(("head", "stood"), [(0, False), (1, True), (5, True)])
def test_a_decision_that_the_lane_had_before_is_told_from_a_new_one(
    monkeypatch: pytest.MonkeyPatch, head: int, stood: bool
) -> None:
    """The same run again prints the old row, whatever came after it."""
    assert run(monkeypatch, {}, head=head)[0].stood == stood


@pytest.mark.parametrize("error", [TrainingError("small: trees is broken"), SpecError("small: trees is broken")])
def test_one_that_fails_leaves_the_other_and_is_named(monkeypatch: pytest.MonkeyPatch, error: TitleholderError) -> None:
    done, nominated = run(monkeypatch, {"trees": error})
    assert (dict(done.failed), nominated) == ({"trees": ("trees is broken", error.exit_code)}, ["line"])


def test_nothing_is_decided_when_all_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = {"line": TrainingError("small: one class"), "trees": TrainingError("small: too deep")}
    with pytest.raises(TrainingError, match="nothing was decided: one class; too deep") as caught:
        run(monkeypatch, failures)
    assert caught.value.__notes__ == ["the run is FAILED"]


def test_a_service_that_is_down_is_no_candidates_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceError) as caught:
        run(monkeypatch, {"trees": ServiceError("MLflow is down")})
    assert caught.value.__notes__ == ["the run is FAILED"]


def test_a_report_that_fails_is_one_line_and_the_decision_stands(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, _ = run(monkeypatch, {}, report=ValueError("no font\nTraceback (most recent call last):\n  x"))
    assert done.decision.kind == "promote"
    assert caplog.messages == ["small as of 2024-07-01: decision 101 stands without its report; run it again: no font"]
    assert "Traceback" not in caplog.text
