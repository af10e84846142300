"""Decisions as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from titleholder.cli.console import Line, fitted, width_of
from titleholder.ledger.decision import Decision
from titleholder.plain_text import one_line
from titleholder.spec.cadence import cadence
from titleholder.validation.checks import named
from titleholder.validation.verdict import Verdict

STYLES = {
    "promote": "green",
    "keep": "",
    "reject": "red",
    "recall": "green",
    "rollback": "yellow",
    "decline": "",
    "retire": "red",
    "withdraw": "red",
}
GAINS = {
    "record": "gain here; in use (risk)",
    "fresh": "gain, lower bound",
    "sequential": "gain; mean, lower bound",
}
"""The heading of the gains where one rule made all decisions."""
LEGENDS = {
    "record": "Gain here: on the judged rows, over the champion. In use: what the record of all versions expects, "
    "in brackets the probability of a loss beyond what is tolerated.",
    "fresh": "Gain: on the judged rows, over the champion, with its one-sided lower bound.",
    "sequential": "Gain: on the judged rows, over the champion. Mean and lower bound: of the reign's looks, each a "
    "challenger's gain on cohorts that none was judged on before; in brackets how many count, of how many.",
}
"""What the gains under each of these headings are."""
MIXED = "gain; by its rule"
WIDE, BESIDE = 120, 60
"""The least width of a terminal for ids and reasons beside the others, and what these two need."""


def decision_table(
    title: str, rows: Sequence[Decision], width: int, notes: Mapping[int, str] = MappingProxyType({})
) -> RenderableType:
    """One line a decision: id, when it was made, as-of date, challenger, champion, metric, gain, decision, reason.

    The gain on the judged rows comes first, then what else the rule of each decision went by, whatever the spec says
    now; see `gain_and_bound`. The column of the metric has the newest one's name; a decision by another metric names
    its own.

    `notes`, by a decision's id, stand before its reason.

    Where it would not fit, ids and reasons stand below the table; where that does not either, each line is a paragraph.
    """
    judged = (row.verdict.metric if row.verdict else row.spec["judgement"]["metric"] for row in reversed(rows))
    metric, rules = next(judged, "metric"), _rules(rows)
    gain = GAINS.get(rules[0], MIXED) if len(rules) == 1 else MIXED
    columns = ["as of", "new", "champion", metric, gain, "decision"]
    lines = [Line(_cells(row, metric), STYLES[row.kind]) for row in rows]
    full = [
        Line((str(row.id), f"{row.created_at:%Y-%m-%d}", *_cells(row, metric), _reason(row, notes)), STYLES[row.kind])
        for row in rows
    ]
    if width >= max(WIDE, width_of(columns, lines) + BESIDE):
        return fitted(title, ["id", "decided", *columns, "reason"], full, width, wrapped=["reason"])
    table = fitted(title, columns, lines, width, wrapped=[gain])
    reasons = [
        Text(f"Decision {row.id}, {_when(row)} {row.kind}: {_reason(row, notes)}", style=STYLES[row.kind])
        for row in rows
    ]
    return Group(table, Text(), *reasons)


def legend(rows: Sequence[Decision]) -> str:
    """What the gains of these decisions are, in a sentence or two for each rule; empty where none was measured."""
    return " ".join(LEGENDS[rule] for rule in _rules(rows) if rule in LEGENDS)


def _rules(rows: Sequence[Decision]) -> list[str]:
    """The rules of the decisions that were judged against a champion; where there was none, of all that were judged."""
    against = [row.verdict.rule for row in rows if row.verdict and row.verdict.champion]
    return list(dict.fromkeys(against or (row.verdict.rule for row in rows if row.verdict)))


def _when(row: Decision) -> str:
    """Its as-of date; of what people decided, which has none of its own, the day on which they did."""
    return str(row.as_of) if row.verdict else f"on {row.created_at:%Y-%m-%d}"


def _cells(row: Decision, named: str) -> tuple[str, ...]:
    verdict = row.verdict
    if verdict is None:
        before = f"v{row.champion_before}" if row.champion_before is not None else "none"
        made = f"{row.kind} to v{row.champion_after}" if row.kind == "rollback" else row.kind
        return _when(row), "", before, "", "", made
    reign = verdict.champion
    value, schedule = verdict.challenger_metrics.get(verdict.metric), row.spec.get("schedule")
    of = cadence(schedule if isinstance(schedule, str) else None)
    own = "" if verdict.metric == named else f" {verdict.metric}"
    return (
        str(row.as_of),
        f"v{row.challenger_version}",
        f"v{reign.version} ({of.label(reign.as_of)})" if reign else "none",
        f"{value:.4f}{own}" if value is not None else "none",
        gain_and_bound(row),
        f"recall v{row.champion_after}" if row.kind == "recall" else row.kind,
    )


def _reason(row: Decision, notes: Mapping[int, str]) -> str:
    """The first sentence of the reason; the ledger and the model's page in MLflow have all of it.

    It names the versions that were unfit for use before the challenger took their place: they have no row of their own.
    """
    note = f"{notes[row.id]}. " if row.id in notes else ""
    if row.verdict is None:
        return one_line(f"{note}{row.reason}")  # there is no page about it
    first = row.reason.partition(". ")[0].rstrip(".")
    unfit = "".join(f"; v{u.version} ({u.name}) was unfit: {named(u.failed)}" for u in row.verdict.unfit)
    if others := ", ".join(f"v{u.version} ({u.name}) fails {named(u.failed)}" for u in row.verdict.also_unfit):
        unfit += f"; no candidate is fit for use by itself: of those judged after it, {others}"
    if failed := [result.code for result in row.verdict.champion_unfitness()]:
        unfit += f"; v{row.champion_before}, champion then, itself fails {named(failed)}"
    return one_line(
        f"{note}{first}{unfit}{f' (re-judged because of decision {row.caused_by})' if row.caused_by else ''}"
    )


def gain_and_bound(row: Decision) -> str:
    """The gain on the judged rows, then what else its rule went by; or why there is none.

    `record`: what is expected in use, with the probability of a loss beyond what is tolerated. `sequential`: the mean
    over the counted looks of the reign with its always-valid lower bound, with (counted/all looks), and how many of
    those counted are of a later candidate. Any other rule goes by the judged rows alone: the lower bound there.
    """
    verdict = row.judged
    if verdict.champion is None:
        return "no champion yet"
    gain = verdict.gain
    if gain is None:
        return "not measurable"
    if verdict.rule == "record":
        return f"{gain.estimate:+.4f}; {_expected(verdict)}"
    if verdict.rule == "sequential":
        return f"{gain.estimate:+.4f}; {_of_the_reign(verdict)}"
    return f"{gain.estimate:+.4f}, {(verdict.freshness() or gain).lower:+.4f}"


def _expected(verdict: Verdict) -> str:
    expected = verdict.outlook and verdict.outlook.challenger
    return (
        f"{expected.gain:+.4f} ({'<1%' if expected.risk < 0.005 else f'{expected.risk:.0%}'})"
        if expected
        else "no cohort to compare"
    )


def _of_the_reign(verdict: Verdict) -> str:
    together = verdict.accumulated()
    if together is None:
        return "no new cohort yet"
    later = f", {together.later} later" if together.later else ""
    return f"{together.gain:+.4f}, {together.lower:+.4f} ({together.counted}/{together.looks}{later})"
