"""`titleholder check` without services: what can be said is said, and what cannot says why."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.factories import a_spec
from support.specs import bent, write
from titleholder.data.leakage.report import LeakReport
from titleholder.workflow import preflight
from titleholder.workflow.preflight import Finding, Outcome, Preflight, schedule_goes_on


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
    assert "It needs what `spec` could not give." in {f.explanation for f in report.findings}


def test_places_that_are_still_marked_are_a_warning(folder: Path) -> None:
    """`check` said "Ready" of files that nobody had looked at."""
    write(folder, bent(("name: small", "# CHECK: it\nname: small")))
    assert ("spec", "warning") in outcomes(report := preflight.check("small"))
    assert "1 place is still marked CHECK (small.yaml: 1). Remove" in report.findings[1].explanation
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


def test_what_is_on_trust_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    report = LeakReport(
        model="small", as_of=date(2024, 7, 1), hashes={"original": "1"}, trusted=("a of t are never overwritten",),
        later_dates=("b is later",),
    )  # fmt: skip
    monkeypatch.setattr(preflight.leaktest, "leaktest", lambda *_, **__: report)
    monkeypatch.setattr(preflight, "strong_features", lambda spec, frame: f"{spec.name}, {frame}: doubted")
    known = SimpleNamespace(spec=a_spec(), leak_day=None, day=report.as_of, url="", frame="rows", done={"contract"})
    (leaks,) = (step for step in preflight.STEPS if step.name == "leaks")
    said = [(s.outcome, s.explanation) for s in leaks.run(known)]  # type: ignore[arg-type]
    assert said[0] == ("warning", "b is later.")
    assert said[1][1].startswith("No leak. Compared: ")
    assert said[2] == ("ok", "On trust: a of t are never overwritten.")
    assert said[3] == ("warning", "small, rows: doubted")
    known.done.clear()
    assert len([*leaks.run(known)]) == 3, "not of rows that break the contract"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("end", "today", "said"),
    [
        (date(2024, 8, 12), date(2026, 11, 27), "end_date 2024-08-12 is after 2024-08-09, the last date with a whole"),
        (date(2024, 8, 9), date(2026, 11, 27), ""),
        (date(2027, 1, 1), date(2026, 11, 27), "end_date 2027-01-01 has not come, and the data end: 2024-08-09 is the"),
        (None, date(2026, 11, 27), "No end_date, and the data end: 2024-08-09 is the"),
        (None, date(2024, 8, 10), ""),
        (date(2024, 8, 12), date(2024, 8, 10), ""),
    ],
)
def test_a_schedule_that_goes_on_after_the_last_whole_holdout_is_named(
    end: date | None, today: date, said: str
) -> None:
    spec = a_spec(schedule="@daily", end_date=end and str(end))
    found = schedule_goes_on(spec, date(2024, 8, 9), date(2024, 8, 9), today)
    assert found.startswith(said)
    assert bool(said) is bool(found)


@pytest.mark.parametrize(("end", "warned"), [("2024-08-10", False), ("2024-08-11", True)])
def test_where_the_facts_end_first_the_schedule_may_go_on_for_a_period(end: str, warned: bool) -> None:
    """A run is not refused then, and its holdout has all of its days."""
    spec = a_spec(schedule="@daily", end_date=end)
    assert bool(schedule_goes_on(spec, date(2024, 8, 9), date(2024, 9, 9), date(2026, 11, 27))) is warned


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([("ok", 0), ("warning", 0)], 0),
        ([("ok", 0), ("not tested", 0)], 4),
        ([("not tested", 0), ("fault", 1), ("fault", 2)], 1),
        ([], 0),
    ],
)
def test_the_exit_code_is_the_first_faults(found: list[tuple[Outcome, int]], code: int) -> None:
    findings = tuple(Finding(step="s", outcome=o, explanation="", exit_code=n) for o, n in found)
    assert Preflight(model="small", as_of=None, findings=findings).exit_code == code
