"""`titleholder check` without services: what can be said is said, and what cannot says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import bent, write
from titleholder.workflow.preflight import run as preflight
from titleholder.workflow.preflight.report import Outcome, Preflight


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    return tmp_path


def outcomes(report: Preflight) -> list[tuple[str, Outcome]]:
    return [(f.step, f.outcome) for f in report.findings]


def test_a_spec_that_cannot_be_read_leaves_everything_untested(folder: Path) -> None:
    write(folder, bent(("name: small", "nome: small")))
    report = preflight.check("small")
    assert report.exit_code == 2
    assert dict(outcomes(report)) == {step.name: "not tested" for step in preflight.STEPS} | {"spec": "fault"}
    assert "nome: unknown key" in "".join(f.explanation for f in report.findings if f.step == "spec")
    assert {f.explanation for f in report.findings if f.outcome == "not tested"} == {"Not before `spec` passes."}


def test_places_that_are_still_marked_are_a_warning(folder: Path) -> None:
    """`check` said "Ready" of files that nobody had looked at."""
    write(folder, bent(("name: small", "# CHECK: it\nname: small")))
    assert ("spec", "warning") in outcomes(report := preflight.check("small"))
    assert "1 place is still marked CHECK (small.yaml, line 1). Remove" in report.findings[1].explanation
    write(folder, bent())
    assert ("spec", "warning") not in outcomes(preflight.check("small"))


def test_a_candidate_that_cannot_be_made_leaves_the_other_steps(folder: Path) -> None:
    write(folder, bent(("LogisticRegression", "LogisticRegressor")))
    steps: list[str] = []
    report = preflight.check("small", on_step=steps.append)
    assert steps == [step.name for step in preflight.STEPS]
    found = {f.step: f for f in report.findings}
    assert "LogisticRegressor" in found["spec"].explanation
    assert found["estimators"].outcome == "ok"
    assert "LogisticRegressor" not in found["estimators"].explanation, "said once"
    assert "AIRFLOW_CONN_WAREHOUSE is not set" in found["warehouse"].explanation
    assert (found["warehouse"].exit_code, report.exit_code) == (3, 2)
    assert found["query"].outcome == "not tested"
