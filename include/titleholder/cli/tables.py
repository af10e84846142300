"""Decisions as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision

STYLES = {"promote": "green", "keep": "", "reject": "red", "rollback": "yellow", "retire": "red"}
WIDE = 120


def decisions(
    title: str, rows: Sequence[Decision], width: int, notes: Mapping[int, str] = MappingProxyType({})
) -> RenderableType:
    """One line a decision: id, when it was made, as-of date, challenger, champion, metric, gain, decision, reason.

    The gain is shown as the newest decision's rule looks at it: with its interval on the holdout (`single`), or as the
    mean over the looks of the reign that speak loudest, above its always-valid lower bound (`sequential`).

    `notes`, by a decision's id, stand before its reason.

    On a terminal narrower than `WIDE` columns ids and reasons stand below the table, which then fits into 80.
    """
    metric = next((row.verdict.metric for row in reversed(rows) if row.verdict), "metric")
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    together = bool(rows) and rows[-1].spec["judgement"].get("rule") == "sequential"
    gained = "reign's gain, at least" if together else "gain [interval]"
    wide = width >= WIDE
    for name in (*(["id", "decided"] if wide else []), "as of", "new", "champion", metric, gained, "decision"):
        table.add_column(Text(name), no_wrap=True)
    if wide:
        table.add_column("reason", ratio=1)
    for row in rows:
        cells = [*_cells(row, reign_gain if together else gain), *([_reason(row, notes)] if wide else [])]
        table.add_row(*((str(row.id), f"{row.created_at:%Y-%m-%d}", *cells) if wide else cells), style=STYLES[row.kind])
    if wide:
        return table
    reasons = [
        Text(f"Decision {row.id}, {row.as_of} {row.kind}: {_reason(row, notes)}", style=STYLES[row.kind])
        for row in rows
    ]
    return Group(table, Text(), *reasons)


def _cells(row: Decision, gained: Callable[[Decision], str]) -> tuple[str, ...]:
    verdict = row.verdict
    if verdict is None:
        before, after = f"v{row.champion_before}", f"v{row.champion_after}"
        return str(row.as_of), after, before, "", "", row.kind
    reign = verdict.champion
    metric = verdict.challenger_metrics.get(verdict.metric)
    return (
        str(row.as_of),
        f"v{row.challenger_version}",
        f"v{reign.version} ({reign.as_of:%Y-%m})" if reign else "nobody",
        f"{metric:.4f}" if metric is not None else "none",
        gained(row),
        row.kind,
    )


def _reason(row: Decision, notes: Mapping[int, str]) -> str:
    """The first sentence of the reason; the ledger and the model's page in MLflow have all of it."""
    note = f"{notes[row.id]}. " if row.id in notes else ""
    if row.kind == "rollback":
        return f"{note}{row.reason}"  # there is no page about it
    said = row.reason.partition(". ")[0].rstrip(".")
    return f"{note}{said}{f' ({row.asked_because})' if row.asked_because.startswith(reigns.ANEW) else ''}"


def gain(row: Decision) -> str:
    """The gain with its interval, or why there is none."""
    won = row.judged.gain
    if won is None:
        return "no champion yet" if row.judged.champion is None else "not measurable"
    return f"{won.estimate:+.4f} [{won.lower:+.4f}, {won.upper:+.4f}]"


def reign_gain(row: Decision) -> str:
    """What the looks of the reign show together, or why they show nothing."""
    if row.judged.champion is None:
        return "no champion yet"
    together = row.judged.accumulated()
    if together is None:
        return "no new cohort yet"
    return f"{together.gain:+.4f}, {together.lower:+.4f} ({together.counted}/{together.looks})"
