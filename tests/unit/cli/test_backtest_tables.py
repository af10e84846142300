"""A backtest in a terminal: its periods are those of the schedule."""

from __future__ import annotations

from datetime import date
from io import StringIO

import pytest
from rich.console import RenderableType

from support.backtest_cases import a_backtest, a_trial
from support.factories import a_regression, a_spec
from titleholder.cli.backtest import merged
from titleholder.cli.backtest_tables import period_table, what_if_table
from titleholder.cli.console import Terminal
from titleholder.workflow.backtest.summary import Setting


def printed(table: RenderableType, width: int = 160) -> str:
    console = Terminal(width=width, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    ("schedule", "plural", "changed"), [("@daily", "days", "2024-02-01"), ("@monthly", "months", "2024-02 ")]
)
def test_thresholds_name_the_periods_of_the_schedule(schedule: str, plural: str, changed: str) -> None:
    found = printed(what_if_table(a_backtest(a_spec(schedule=schedule)), 160))
    assert f"mean over 3 {plural}" in found
    assert changed in found


def test_a_regression_has_no_events() -> None:
    assert "events" in printed(period_table(a_backtest(), 160))
    found = printed(period_table(a_backtest(a_regression(judgement__resamples=100)), 160))
    assert "events" not in found
    assert "mean of 3" in found


@pytest.mark.parametrize("width", [80, 160])
def test_of_a_quantile_the_table_has_the_coverage_of_each_policy(width: int) -> None:
    spec = a_regression(judgement__metric="pinball", judgement__quantile=0.9, judgement__resamples=100)
    result = a_backtest(spec)
    found = printed(period_table(result, width), width)
    (line,) = [line for line in found.splitlines() if line.startswith("coverage, of 90%")]
    shares = [f"{result.overall.policies[policy].coverage:.1%}" for policy in ("gate", "newest", "never", "hindsight")]
    assert all(share in line for share in shares)
    gate = next(m.figures["gate"] for m in result.periods if m.compared)
    assert (f"v{gate.version}, {gate.coverage:.1%}" in found) is (width == 160)
    assert "coverage" not in printed(period_table(a_backtest(a_regression(judgement__resamples=100)), width), width)


def test_without_colours_the_specs_own_row_is_marked_and_its_values_are_named() -> None:
    own = Setting.of(a_spec().judgement)
    other = own.model_copy(update={"confidence": 0.8})
    trials = (a_trial(other, changed=(), champions=(1,)), a_trial(own, own=True))
    *title, _, first, second, same = printed(what_if_table(a_backtest(what_if=trials), 160)).splitlines()
    assert f"* the spec's own: {own.rule}, tolerated_loss 0.01, minimum_gain 0, confidence 0.95" in " ".join(
        " ".join(title).split()
    )
    assert f"{own.rule} *" in second
    assert "*" not in first
    assert same == "In every row: tolerated_loss 0.01; minimum_gain 0; first champion 2024-01; mean over 3 months"


def test_without_colours_periods_that_are_not_compared_are_marked() -> None:
    result = a_backtest()
    lines = printed(period_table(result, 160)).splitlines()
    marked = {line.split()[0] for line in lines if line.split()[1:2] == ["*"]}
    assert marked == {str(m.period.as_of) for m in result.periods if not m.compared} != set()


def test_a_first_champion_takes_over_from_nobody() -> None:
    own = Setting.of(a_spec().judgement)
    found = a_backtest(what_if=(a_trial(own, own=True, changed=(), champions=(1,)),))
    *_, line, same = printed(what_if_table(found, 160)).splitlines()
    assert "first champion 2024-01" in same
    assert "2024" not in line, "no date under those of which another version took over"


def test_values_with_the_same_champions_share_a_line() -> None:
    own = Setting.of(a_spec().judgement)
    trials = [
        a_trial(own.model_copy(update={"confidence": c, "tolerated_loss": loss}), own=(c, loss) == (0.95, 0.01))
        for loss in (0.0, 0.01)
        for c in (0.9, 0.95)
    ]
    other = a_trial(own.model_copy(update={"rule": "sequential"}))
    lines = printed(what_if_table(a_backtest(what_if=(*trials, other)), 160)).splitlines()[-3:]
    assert lines[2].startswith("In every row: ")
    assert all(text in lines[0] for text in ("fresh *", "0, 0.01", "0.9, 0.95"))
    assert "sequential" in lines[1]
    assert "as in the row above" in lines[1]


def test_what_is_the_same_in_every_row_leaves_room_for_the_table() -> None:
    """At 80 columns each line was a paragraph of semicolons."""
    own = Setting.of(a_spec().judgement)
    changed = tuple(date(2024, month, 1) for month in range(2, 10))
    trials = [
        a_trial(own.model_copy(update=dict(setting)), own=n == 2, changed=changed, champions=(1, 2 + (n > 2)))
        for n, setting in enumerate(
            [
                *({"confidence": level} for level in (0.8, 0.9, 0.95, 0.99)),
                {"rule": "sequential"},
                {"tolerated_loss": 0},
            ]
        )
    ]
    lines = printed(what_if_table(a_backtest(what_if=trials), 80), 80).splitlines()
    (heading,) = (line.split() for line in lines if "changes" in line)
    assert heading[:4] == ["rule", "tolerated_loss", "confidence", "changes"]
    assert not any(";" in line for line in lines if not line.startswith("In every row: "))
    assert max(map(len, lines)) <= 80


def test_reasons_that_differ_in_numbers_alone_are_one() -> None:
    """The footnote said `too few rows of the rarer class: 13 of 20 (minimum_new_events) (1)` once for each number."""
    few = [f"too few rows of the rarer class: {n} of 20 (minimum_new_events)" for n in (13, 7, 13, 9)]
    assert merged(["no champion yet", *few, "no champion yet"]) == {
        "no champion yet": 2,
        "too few rows of the rarer class: 7 to 13 of 20 (minimum_new_events)": 4,
    }
    assert merged(few[:1]) == {few[0]: 1}
    assert merged(["versions 3 and 4 need columns", "version 3 needs columns"]) == {
        "versions 3 and 4 need columns": 1,
        "version 3 needs columns": 1,
    }
