"""A backtest as tables for people."""

from __future__ import annotations

from rich.console import RenderableType

from titleholder import formatting
from titleholder.cli.console import Line, fitted
from titleholder.cli.tables import WIDE
from titleholder.workflow.backtest.policies import POLICIES
from titleholder.workflow.backtest.summary import Backtest


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
        lines.append(Line([str(m.period.as_of), m.period.kind, *counts, *cells], "" if m.compared else "dim"))
    if whole := result.overall.policies:
        empty = [""] * (1 + len(counted))
        means = (formatting.number(whole[policy].mean) for policy in POLICIES)
        lines.append(Line([f"mean of {result.overall.periods}", *empty, *means], "bold", gap=True))
        regrets = (formatting.number(whole[policy].regret) for policy in POLICIES)
        lines.append(Line(["regret", *empty, *regrets]))
    return fitted(title, ["as of", "decision", *counted, *POLICIES], lines, width)


def what_if_table(result: Backtest, width: int) -> RenderableType:
    """One line a setting: the spec's own, and those that the lane was decided again with."""
    taken = "another version took over in"
    columns = [
        "rule",
        "tolerated_loss",
        "minimum_gain",
        "confidence",
        "changes",
        "mean",
        f"of {result.cadence.plural}",
        taken,
    ]
    lines = [
        Line(
            [
                trial.setting.rule,
                trial.setting.tolerated(result.metric),
                formatting.exact(trial.setting.minimum_gain),
                formatting.exact(trial.setting.confidence),
                str(len(trial.changed)),
                formatting.number(trial.mean),
                str(trial.periods),
                ", ".join(map(result.cadence.label, trial.changed)),
            ],
            "bold" if trial.own else "",
        )
        for trial in result.what_if
    ]
    title = "The lane under other thresholds (bold: the spec's own)"
    return fitted(title, columns, lines, width, wrapped=[taken])
