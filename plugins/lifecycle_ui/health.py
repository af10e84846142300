"""How a model is, in findings: what is well, what somebody should look at, and where (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, NamedTuple

from lifecycle_ui.evidence import Aliases
from lifecycle_ui.facts import Model, Question, Run
from titleholder.chronicle import Decided, Standing

Tone = Literal["good", "warn", "bad", "open"]
FLOORS, CHAMPIONS_FLOORS = "TH201", "TH205"
STABILITY = ("TH401", "TH402")


class Finding(NamedTuple):
    """One thing about a model: how serious, in a few words, and in a sentence."""

    tone: Tone
    label: str
    sentence: str


def findings(
    model: Model, standing: Standing, asked: Sequence[Question], run: Run | None, aliases: Aliases
) -> list[Finding]:
    """Everything that is known of a model's health, the most urgent first."""
    found = [
        *_spec(model), *_runs(run), *_asked(asked), *_alias(model, standing, aliases), *_judged(standing)
    ]  # fmt: skip
    order = ("bad", "open", "warn", "good")
    return sorted(found, key=lambda finding: order.index(finding.tone))


def _spec(model: Model) -> list[Finding]:
    if model.stale:
        return [Finding("bad", "no spec", "Its spec is gone or broken: Airflow's Dags page tells of import errors.")]
    if model.paused:
        return [Finding("warn", "switched off", "Its retrain DAG is paused: no scheduled run starts.")]
    return []


def _runs(run: Run | None) -> list[Finding]:
    if run and run.state == "failed":
        return [Finding("bad", "run failed", f"The newest run ({run.run_id}) failed; the champion stays. See its log.")]
    return []


def _asked(asked: Sequence[Question]) -> list[Finding]:
    if not asked:
        return []
    many = "a challenger waits" if len(asked) == 1 else f"{len(asked)} challengers wait"
    return [Finding("open", "approval asked", f"{many[0].upper()}{many[1:]} for an answer; silence means no.")]


def _alias(model: Model, standing: Standing, aliases: Aliases) -> list[Finding]:
    reigning = standing.champion.version if standing.champion else None
    if aliases.trouble:
        return [Finding("warn", "alias not compared", f"{aliases.trouble}: alias and ledger were not compared.")]
    if (pointed := aliases.versions.get(model.name)) == reigning:
        return [Finding("good", "alias agrees", "The alias in MLflow points at the ledger's champion.")]
    there, here = (f"version {v}" if v else "nobody" for v in (pointed, reigning))
    mend = f"`titleholder audit {model.name} --repair` or the next run mends it."
    return [Finding("bad", "alias differs", f"The alias in MLflow says {there}, the ledger {here}. {mend}")]


def _judged(standing: Standing) -> list[Finding]:
    last = standing.last
    if last is None or last.kind == "rollback":
        return []
    if last.kind == "retire":
        return [Finding("bad", "retirement advised", "Champion and challenger lie beyond the floors.")]
    codes = {*(last.failed or ()), *(last.warned or ())}
    found = [_floors(last, codes)] if last.champion_after else []
    if drifting := sorted(codes & {*STABILITY}):
        return [
            *found,
            Finding("warn", "drift", f"Scores or inputs moved ({', '.join(drifting)}), as of {last.as_of}."),
        ]
    return [*found, Finding("good", "stable", f"No drift was found as of {last.as_of}.")]


def _floors(last: Decided, codes: set[str]) -> Finding:
    own = last.champion_after == last.challenger_version
    if (FLOORS if own else CHAMPIONS_FLOORS) in codes:
        return Finding("bad", "below floors", f"The champion fell beyond its floors as of {last.as_of}.")
    return Finding("good", "floors hold", f"The champion was not found beyond its floors as of {last.as_of}.")


def age(as_of: date, today: date) -> int:
    """How many cohorts (calendar months) have come since a champion's as-of date."""
    return max(0, (today.year - as_of.year) * 12 + today.month - as_of.month)
