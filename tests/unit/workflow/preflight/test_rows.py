"""What `titleholder check` says of the rows of one as-of date."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from support.factories import a_spec
from titleholder.data.leakage import leaktest
from titleholder.data.leakage.report import LeakReport
from titleholder.workflow.preflight import rows
from titleholder.workflow.preflight.rows import check_leaks


def test_what_is_assumed_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    report = LeakReport(
        model="small", as_of=date(2024, 7, 1), hashes={"original": "1"}, trusted=("a of t are never overwritten",),
        later_dates=("b is later",),
    )  # fmt: skip
    monkeypatch.setattr(leaktest, "leaktest", lambda *_, **__: report)
    monkeypatch.setattr(rows, "strong_features", lambda spec, frame: f"{spec.name}, {frame}: doubted")
    monkeypatch.setattr(rows, "trusted_features", lambda spec: ["a"])
    taken = SimpleNamespace(read=lambda: "rows")
    known = SimpleNamespace(spec=a_spec(), leak_day=None, day=report.as_of, url="", taken=taken, done={"contract"})
    said = [(s.outcome, s.explanation) for s in check_leaks(known)]  # type: ignore[arg-type]
    assert said[0] == ("warning", "b is later.")
    assert said[1][1].startswith("No leak. Compared: ")
    assert said[2] == ("ok", "Assumed: a of t are never overwritten.")
    assert said[3] == ("warning", "small, rows: doubted")
    known.done.clear()
    assert len([*check_leaks(known)]) == 3, "not of rows that break the contract"  # type: ignore[arg-type]
