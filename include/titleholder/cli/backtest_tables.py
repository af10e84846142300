"""A backtest as tables for people."""

from __future__ import annotations

from rich.console import RenderableType

from titleholder import formatting
from titleholder.cli.console import Line, fitted
from titleholder.cli.tables import WIDE
from titleholder.workflow.backtest.policies import POLICIES
from titleholder.workflow.backtest.summary import Backtest
from titleholder.workflow.backtest.what_if_rows import WhatIfRow, what_if_rows

MARK = "*"
"""What a footnote is about: periods that are not compared, and the row with the spec's own values."""


def period_table(result: Backtest, width: int) -> RenderableType:
    """One line a period, its rows and each policy's metric; on a wide terminal with the version that was used."""
    title = f"{formatting.metric(result.metric)} on the rows that followed, outcomes as known on {result.labels_as_of}"
    counted = ["rows", "events"] if result.task == "classification" else ["rows"]
    lines = []
    for m in result.periods:
        figures = [m.figures.get(policy) for policy in POLICIES]
        cells = [
            f"{formatting.number(f.metric)}{f' v{f.version}' if width >= WIDE else ''}" if f else formatting.NOTHING
            for f in figures
        ]
        counts = [f"{getattr(m, count):,}" for count in counted]
        as_of = str(m.period.as_of) if m.compared else f"{m.period.as_of} {MARK}"
        lines.append(Line([as_of, m.period.kind, *counts, *cells], "" if m.compared else "dim"))
    if whole := result.overall.policies:
        empty = [""] * (1 + len(counted))
        means = (formatting.number(whole[policy].mean) for policy in POLICIES)
        lines.append(Line([f"mean of {result.overall.periods}", *empty, *means], "bold", gap=True))
        regrets = (formatting.number(whole[policy].regret) for policy in POLICIES)
        lines.append(Line(["regret", *empty, *regrets]))
    return fitted(title, ["as of", "decision", *counted, *POLICIES], lines, width)


def what_if_table(result: Backtest, width: int) -> RenderableType:
    """One line for values that led to the same champions; the one with the spec's own is marked."""
    taken = "another version took over"
    columns = [
        "rule",
        "tolerated_loss",
        "minimum_gain",
        "confidence",
        "first champion",
        "changes",
        "mean",
        f"of {result.cadence.plural}",
        taken,
    ]
    lines = [_what_if_line(row, result) for row in what_if_rows(result.what_if, result.metric)]
    return fitted(_what_if_title(result), columns, lines, width, wrapped=[*columns[1:4], taken])


def _what_if_line(row: WhatIfRow, result: Backtest) -> Line:
    label, of = result.cadence.label, row.result
    days = "as in the row above" if row.repeated else ", ".join(map(label, of.changed))
    cells = [
        f"{row.rule} {MARK}" if row.own else row.rule,
        *(", ".join(values) for values in (row.tolerated_losses, row.minimum_gains, row.confidences)),
        label(of.first) if of.first else formatting.NOTHING,
        str(len(of.changed)),
        formatting.number(of.mean),
        str(of.periods),
        days,
    ]
    return Line(cells, "bold" if row.own else "")


def _what_if_title(result: Backtest) -> str:
    own = next(trial.setting for trial in result.what_if if trial.own)
    values = f"minimum_gain {formatting.exact(own.minimum_gain)}, confidence {formatting.exact(own.confidence)}"
    if own.rule != "sequential":
        values = f"tolerated_loss {own.tolerated(result.metric)}, {values}"
    return f"The lane under other thresholds ({MARK} the spec's own: {own.rule}, {values})"
