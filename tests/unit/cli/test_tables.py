"""A decision as a line of a table: the gain is that of the rule by which it was made."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from io import StringIO

import pytest
from hypothesis import given

from support.factories import REIGN, a_decision, a_recall, a_rollback, a_verdict, an_outlook
from support.hostile import controls, hostile
from titleholder.cli.console import Terminal
from titleholder.cli.tables import decision_table, legend
from titleholder.ledger.decision import Decision
from titleholder.validation.evidence import UnfitCandidate
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Verdict

DAY = date(2024, 7, 1)
LOOK = Look(as_of=DAY, start=DAY, end=DAY, rows=90, events=30, metric="roc_auc", gain=0.05, error=0.01)
LOSS = Gain(-0.01, -0.019, -0.001, "DeLong", 0.0046, 400.0)


def row(verdict: Verdict, rule: str) -> Decision:
    versions = {"challenger_version": 4, "champion_before": 3, "champion_after": 3}
    judged = verdict.model_copy(update={"rule": rule})
    return a_decision(kind="keep", as_of=DAY, verdict=judged, **versions)


def printed(verdict: Verdict, rule: str, width: int = 80) -> str:
    console = Terminal(width=width, record=True, file=StringIO())
    console.print(decision_table("small", [row(verdict, rule)], width))
    return console.export_text()


@pytest.mark.parametrize(
    ("rule", "verdict", "expected"),
    [
        ("fresh", a_verdict(), "+0.0100, +0.0024"),
        ("fresh", a_verdict(gain=None), "not measurable"),
        ("fresh", a_verdict(champion=None), "no champion yet"),
        ("record", a_verdict(outlook=an_outlook()), "+0.0100; +0.0041 (2%)"),
        ("record", a_verdict(gain=LOSS, outlook=an_outlook()), "-0.0100; +0.0041 (2%)"),
        ("record", a_verdict(outlook=an_outlook(risk=0.0)), "+0.0100; +0.0041 (<1%)"),
        ("record", a_verdict(), "+0.0100; no cohort to compare"),
        ("sequential", a_verdict(champion=None), "no champion yet"),
        ("sequential", a_verdict(), "+0.0100; no new cohort yet"),
        ("sequential", a_verdict(look=LOOK), "+0.0100; +0.0500, +0.01"),
    ],
)
def test_the_gain_here_comes_before_what_its_rule_went_by(rule: str, verdict: Verdict, expected: str) -> None:
    """ "Not better on this holdout" stood beside `+0.0041 (2%)`, the gain expected in use, and nothing else."""
    found = printed(verdict, rule, 110)
    assert expected in found
    assert "2024-07-01 keep: Because" in found
    assert printed(verdict, rule).splitlines()[1].startswith("as of"), "a table at 80 columns too"


@pytest.mark.parametrize(
    ("rules", "heading"),
    [
        (["record"], "gain here; in use (risk)"),
        (["fresh"], "gain, lower bound"),
        (["sequential"], "gain; mean, lower bound"),
        (["record", "fresh"], "gain; by its rule"),
    ],
)
def test_the_heading_says_what_the_gains_are(rules: list[str], heading: str) -> None:
    """`+0.0234 (1%)` stood under `gain, lower bound`, and was read as a lower bound."""
    console = Terminal(width=200, record=True, file=StringIO())
    console.print(decision_table("small", [row(a_verdict(outlook=an_outlook()), rule) for rule in rules], 200))
    assert f"  {heading}  " in console.export_text()


@pytest.mark.parametrize("rule", ["fresh", "single"])
def test_a_decision_by_one_holdout_never_shows_evidence_of_a_reign(rule: str) -> None:
    """Whatever rules there are now: what was shown when it was made is what is shown."""
    earlier = tuple(LOOK.model_copy(update={"gain": 0.03}) for _ in range(6))
    reign = REIGN.model_copy(update={"looks": earlier})
    assert "+0.0100, +0.0024" in printed(a_verdict(champion=reign, look=LOOK), rule)
    unlimited = a_verdict(champion=reign, look=LOOK, tolerated_loss=None)
    assert unlimited.gain is not None
    assert f"+0.0100, {unlimited.gain.lower:+.4f}" in printed(unlimited, rule)


def test_a_decision_by_another_metric_than_the_newest_names_its_own() -> None:
    console = Terminal(width=80, record=True, file=StringIO())
    verdict = a_verdict()
    gini = verdict.model_copy(update={"metric": "gini", "challenger_metrics": {"gini": 0.4321}})
    console.print(decision_table("small", [row(verdict, "fresh"), row(gini, "fresh")], 80))
    found = console.export_text()
    assert f"{verdict.challenger_metrics['roc_auc']:.4f} roc_auc" in found
    assert "0.4321 gini" not in found


@pytest.mark.parametrize(("schedule", "shown"), [("@daily", "(2024-06-01)"), ("@monthly", "(2024-06)")])
def test_the_champion_is_named_by_the_period_of_its_schedule(schedule: str, shown: str) -> None:
    console = Terminal(width=100, record=True, file=StringIO())
    made = a_decision()
    console.print(decision_table("small", [made.model_copy(update={"spec": {**made.spec, "schedule": schedule}})], 80))
    assert shown in console.export_text()


def test_counted_looks_and_all_looks_are_shown() -> None:
    earlier = tuple(LOOK.model_copy(update={"gain": -0.03}) for _ in range(6))
    reign = REIGN.model_copy(update={"looks": (*earlier, LOOK, LOOK)})
    assert "(3/9)" in printed(a_verdict(champion=reign, look=LOOK), "sequential")
    later = LOOK.model_copy(update={"judged_after": 1})
    assert "(3/9, 1 later)" in printed(a_verdict(champion=reign, look=later), "sequential")


def test_the_versions_of_unfit_candidates_are_named() -> None:
    """They have no row of their own: the numbers of the versions had gaps without a word."""
    unfit = (UnfitCandidate(name="trees", version=3, failed=("TH201", "TH701")),)
    found = " ".join(printed(a_verdict(unfit=unfit), "fresh").split())
    assert "keep: Because; v3 (trees) was unfit: TH201 (Above its floors), TH701 (Declared directions hold)" in found


def test_where_no_candidate_is_fit_the_challenger_is_not_said_to_be() -> None:
    """It said `v3 (trees) is unfit too`, beside a promotion, and nothing said that the challenger itself was unfit."""
    unfit = (UnfitCandidate(name="trees", version=3, failed=("TH203",)),)
    found = " ".join(printed(a_verdict(also_unfit=unfit), "fresh").split())
    assert (
        "Because; no candidate is fit for use by itself: of those judged after it, v3 (trees) fails TH203 (Calibrated)"
        in found
    )


def test_a_recall_is_printed_with_the_version_that_is_champion() -> None:
    console = Terminal(width=80, record=True, file=StringIO())
    console.print(decision_table("small", [a_decision(), a_recall(2, 3, 1, reason="On the record. And more.")], 80))
    found = console.export_text()
    assert "v2   v3 (2024-06)" in found
    assert "recall v1" in found
    assert "Decision 102, 2024-02-01 recall: On the record" in found


def test_a_rollback_is_printed_with_its_reason() -> None:
    console = Terminal(width=80, record=True, file=StringIO())
    back = a_rollback(2, 3, 1, reason="Version 3 gave way to version 1. It saw the future.")
    console.print(decision_table("small", [a_decision(), back], 80))
    found = console.export_text()
    line = next(line for line in found.splitlines() if "rollback to" in line)
    assert line.split() == ["on", "2024-02-01", "v3", "rollback", "to", "v1"], "the version that returns is not new"
    assert "Decision 102, on 2024-02-01 rollback: Version 3 gave way to version 1. It saw" in found
    assert "\nthe future." in found
    assert "roc_auc" in found, "the metric's name is taken from the newest verdict"
    alone = Terminal(width=80, record=True, file=StringIO())
    alone.print(decision_table("small", [back], 80))
    assert "roc_auc" in alone.export_text(), "or from the spec: the heading was `metric`"


def test_what_people_decided_is_dated_by_the_day_on_which_they_did() -> None:
    """`history` had the as-of date of the newest run, `backtest` the day of the rollback, years later."""
    console = Terminal(width=200, record=True, file=StringIO())
    made = {"as_of": date(2022, 7, 1), "created_at": datetime(2026, 11, 27, 9, tzinfo=UTC)}
    rows = [a_decision(1, as_of=date(2022, 7, 1)), a_rollback(2, 3, 1, **made)]
    console.print(decision_table("small", rows, 200))
    (line,) = (line for line in console.export_text().splitlines() if "rollback to v1" in line)
    assert "on 2026-11-27" in line
    assert "2022-07-01" not in line


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["record"], ["Gain here: on the judged rows"]),
        (["fresh", "record"], ["one-sided lower bound", "what the record of all versions expects"]),
        (["sequential"], ["looks, each a challenger's gain on cohorts that none was judged on before"]),
        ([], [""]),
    ],
)
def test_the_legend_says_what_the_gains_are(rules: list[str], said: list[str]) -> None:
    found = legend([a_rollback(2, 3, 1), *(row(a_verdict(outlook=an_outlook()), rule) for rule in rules)])
    assert all(one in found for one in said)
    assert bool(found) == bool(rules)


@pytest.mark.parametrize("width", [80, 200])
def test_a_month_that_must_be_run_again_says_so(width: int) -> None:
    console = Terminal(width=width, record=True, file=StringIO())
    first, second = a_decision(1), a_decision(2, champion_before=1)
    console.print(
        decision_table(
            "small", [first, second], width, {second.id: "Run it again: version 7 is champion before it now"}
        )
    )
    found = " ".join(console.export_text().split())
    assert found.count("Run it again: version 7 is champion before it now") == 1
    assert found.count("Because") == 2


@given(hostile, hostile)
def test_a_history_is_printed_whatever_its_rows_say(reason: str, model: str) -> None:
    """`[/red]` in a reason ended `titleholder history` for good; a line break could pass for another decision."""
    judged = row(a_verdict(), "record").model_copy(update={"reason": reason})
    rows = [judged, a_rollback(2, 3, 1, reason=reason)]
    for width in (30, 80, 200):
        file = StringIO()
        console = Terminal(width=width, file=file, force_terminal=True, color_system="standard")
        console.print(decision_table(model, rows, width))
        lines = re.sub(r"\x1b\[(\d+(;\d+)*)?m", "", file.getvalue())
        assert controls(lines) == []
        assert not [line for line in lines.splitlines() if line.startswith("Decision 9, ")] or width == 30
