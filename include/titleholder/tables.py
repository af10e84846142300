"""Decisions as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from titleholder.ledger import Decision

STYLES = {"promote": "green", "keep": "", "reject": "red", "rollback": "yellow", "retire": "red"}


def decisions(title: str, rows: Sequence[Decision]) -> Table:
    """One line a decision: as-of date, challenger, champion, metric, gain with its interval, decision, reason."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in ("as of", "challenger", "champion", "metric", "gain [interval]", "decision"):
        table.add_column(name, no_wrap=True)
    table.add_column("reason", ratio=1, min_width=30)
    for row in rows:
        table.add_row(*_cells(row), style=STYLES[row.kind])
    return table


def _cells(row: Decision) -> tuple[str, ...]:
    verdict = row.verdict
    reign = verdict.champion
    metric = verdict.challenger_metrics.get(verdict.metric)
    return (
        str(row.as_of),
        f"v{row.challenger_version}",
        f"v{reign.version} of {reign.as_of}" if reign else "nobody",
        f"{verdict.metric} {metric:.4f}" if metric is not None else "not measurable",
        gain(row),
        row.kind,
        row.reason.partition(". ")[0],
    )


def gain(row: Decision) -> str:
    """The gain with its interval, or why there is none."""
    if row.verdict.gain is None:
        return "no champion yet" if row.verdict.champion is None else "not measurable"
    won = row.verdict.gain
    return f"{won.estimate:+.4f} [{won.lower:+.4f}, {won.upper:+.4f}]"
