"""A backtest as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from titleholder import formatting
from titleholder.cli.console import Line, fitted
from titleholder.cli.tables import WIDE
from titleholder.workflow.backtest.periods import POLICIES
from titleholder.workflow.backtest.policies import VersionMetric
from titleholder.workflow.backtest.summary import Backtest
from titleholder.workflow.backtest.what_if_rows import WhatIfRow, what_if_rows

MARK = "*"
"""What a footnote is about: periods that are not compared, and the row with the spec's own values."""
THRESHOLDS, TAKEN = ("tolerated_loss", "minimum_gain", "confidence"), "another version took over"
ONCE = (*THRESHOLDS, "first champion", "mean over")
"""Columns of the what-if table that leave it where each line has the same value."""


def period_table(result: Backtest, width: int) -> RenderableType:
    """One line a period, its rows and each policy's metric; on a wide terminal with the version that was used.

    Of a predicted quantile also the coverage: the share of outcomes at or below what was predicted.
    """
    title = f"{formatting.metric(result.metric)} on the rows that followed, outcomes as known on {result.labels_as_of}"
    counted = ["rows", "events"] if result.task == "classification" else ["rows"]
    lines = []
    for m in result.periods:
        figures = [m.figures.get(policy) for policy in POLICIES]
        cells = [
            f"{formatting.number(f.metric)}{_beside(f) if width >= WIDE else ''}" if f else formatting.NOTHING
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
        if result.quantile is not None:
            shares = (formatting.percent(whole[policy].coverage) for policy in POLICIES)
            lines.append(Line([f"coverage, of {100 * result.quantile:g}%", *empty, *shares]))
    return fitted(title, ["as of", "decision", *counted, *POLICIES], lines, width)


def _beside(figure: VersionMetric) -> str:
    """The version behind a figure, and of a predicted quantile its coverage."""
    covered = "" if figure.coverage is None else f", {formatting.percent(figure.coverage)}"
    return f" v{figure.version}{covered}"


def what_if_table(result: Backtest, width: int) -> RenderableType:
    """One line for values that led to the same champions; the one with the spec's own is marked.

    A threshold, first champion or number of periods that is the same in every line stands once, below the table.
    """
    rows = what_if_rows(result.what_if, result.metric)
    cells = [_what_if_cells(row, result) for row in rows]
    same = {name: cells[0][name] for name in ONCE if len({line[name] for line in cells}) == 1}
    columns = [name for name in cells[0] if name not in same]
    lines = [
        Line([line[name] for name in columns], "bold" if row.own else "") for line, row in zip(cells, rows, strict=True)
    ]
    table = fitted(_what_if_title(result), columns, lines, width, wrapped=[*THRESHOLDS, TAKEN])
    return Group(table, Text(f"In every row: {'; '.join(map(' '.join, same.items()))}")) if same else table


def _what_if_cells(row: WhatIfRow, result: Backtest) -> dict[str, str]:
    """A line of the table, by column."""
    cadence, of = result.cadence, row.result
    values = (row.tolerated_losses, row.minimum_gains, row.confidences)
    return {
        "rule": f"{row.rule} {MARK}" if row.own else row.rule,
        **dict(zip(THRESHOLDS, map(", ".join, values), strict=True)),
        "first champion": cadence.label(of.first) if of.first else formatting.NOTHING,
        "changes": str(len(of.changed)),
        "mean": formatting.number(of.mean),
        "mean over": f"{of.periods} {cadence.plural}",
        TAKEN: "as in the row above" if row.repeated else ", ".join(map(cadence.label, of.changed)),
    }


def _what_if_title(result: Backtest) -> str:
    own = next(trial.setting for trial in result.what_if if trial.own)
    values = f"minimum_gain {formatting.exact(own.minimum_gain)}, confidence {formatting.exact(own.confidence)}"
    if own.rule != "sequential":
        values = f"tolerated_loss {own.tolerated(result.metric)}, {values}"
    return f"The lane under other thresholds ({MARK} the spec's own: {own.rule}, {values})"
