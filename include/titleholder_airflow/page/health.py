"""How a model is, in findings: what is well, what somebody should look at, and where (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote

from titleholder.ledger.queries import Decided, Standing
from titleholder_airflow.page.facts import Model, Question, Run
from titleholder_airflow.page.mlflow import Aliases

Tone = Literal["good", "none", "warn", "bad", "open"]
URGENCY: tuple[Tone, ...] = ("bad", "open", "warn", "none", "good")
FLOORS, CHAMPIONS_FLOORS = "TH201", "TH205"
MOVED = {"TH401": "its scores at training", "TH402": "the champion's scores"}
GRACE = timedelta(hours=1)
"""How late a run may start before the page says so."""


class Finding(NamedTuple):
    """One thing about a model: how serious, in a few words, in a sentence, and where in Airflow one can act on it."""

    tone: Tone
    label: str
    sentence: str
    href: str = ""


def findings(
    model: Model, standing: Standing, asked: Sequence[Question], run: Run | None, aliases: Aliases, now: datetime
) -> list[Finding]:
    """Everything that is known of a model's health, the most urgent first."""
    found = [
        *_spec(model, now), *_runs(run), *_asked(asked), *_alias(model, standing, aliases), *_judged(standing)
    ]  # fmt: skip
    return sorted(found, key=lambda finding: URGENCY.index(finding.tone))


def _spec(model: Model, now: datetime) -> list[Finding]:
    dag = f"/dags/{quote(model.dag_id, safe='')}"
    if model.stale:
        told = "Its spec is gone or broken: Airflow's Dags page tells of import errors."
        return [Finding("bad", "no spec", told, "/dags")]
    if model.paused:
        return [Finding("warn", "switched off", "Its retrain DAG is paused: no scheduled run starts.", dag)]
    if model.next_run and now - model.next_run > GRACE:
        told = f"A run was due at {model.next_run:%Y-%m-%d %H:%M} UTC and has not begun: is Airflow's scheduler up?"
        return [Finding("warn", "overdue", told, dag)]
    return []


def _runs(run: Run | None) -> list[Finding]:
    if run is None or run.state != "failed":
        return []
    told = f"The newest run that Airflow started by itself, due {run.run_after:%Y-%m-%d}, failed; the champion stays."
    return [Finding("bad", "run failed", told, f"/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}")]


def _asked(asked: Sequence[Question]) -> list[Finding]:
    if not asked:
        return []
    many = "A challenger waits" if len(asked) == 1 else f"{len(asked)} challengers wait"
    return [Finding("open", "approval asked", f"{many} for an answer; silence means no.", asked[0].href)]


def differs(model: str, standing: Standing, aliases: Aliases) -> bool:
    """Whether the registry's alias is not the ledger's champion, or could not be asked for."""
    return bool(aliases.trouble) or aliases.versions.get(model) != _reigning(standing)


def _reigning(standing: Standing) -> int | None:
    return standing.champion.version if standing.champion else None


def _alias(model: Model, standing: Standing, aliases: Aliases) -> list[Finding]:
    pointed, reigning = aliases.versions.get(model.name), _reigning(standing)
    if aliases.trouble:
        return [Finding("warn", "alias not compared", f"{aliases.trouble}: alias and ledger were not compared.")]
    if pointed == reigning:
        agree = Finding("good", "alias agrees", "The alias in MLflow points at the ledger's champion.")
        return [agree if reigning else Finding("none", "no champion", "Nobody reigns, and the alias points at nobody.")]
    there, here = (f"version {v}" if v else "nobody" for v in (pointed, reigning))
    mend = f"`titleholder audit {model.name} --repair` or the next run mends it."
    return [Finding("bad", "alias differs", f"The alias in MLflow says {there}, the ledger {here}. {mend}")]


def _judged(standing: Standing) -> list[Finding]:
    """What the judgement of the newest month says about whoever reigns now; nothing where another did."""
    judged = standing.judged
    if judged is None:
        return []
    if judged.kind == "retire":
        told = f"Champion and challenger lay beyond the floors as of {judged.as_of}."
        return [Finding("bad", "retirement advised", told)]
    if judged.champion_after is None or judged.champion_after != _reigning(standing):
        return []
    return [*_floors(judged), *_moved(judged)]


def _floors(judged: Decided) -> list[Finding]:
    """The champion's own floors: those it was crowned by, or what a later challenge found of it."""
    code = FLOORS if judged.kind == "promote" else CHAMPIONS_FLOORS
    if code in _failed(judged):
        return [Finding("bad", "below floors", f"The champion lay beyond its floors as of {judged.as_of} ({code}).")]
    if code in (judged.passed or ()):
        return [Finding("good", "floors hold", f"The champion was not shown beyond its floors as of {judged.as_of}.")]
    return []


def _moved(judged: Decided) -> list[Finding]:
    """Whether scores moved. That a rejected challenger's differ from the champion's says nothing."""
    codes = [code for code in MOVED if code == "TH401" or judged.kind != "reject"]
    if moved := [code for code in codes if code in _failed(judged)]:
        from_what = " and from ".join(f"{MOVED[code]} ({code})" for code in moved)
        told = f"The challenger's scores as of {judged.as_of} differ from {from_what}."
        return [Finding("warn", "scores moved", told)]
    if any(code in (judged.passed or ()) for code in codes):
        return [Finding("good", "scores stable", f"Scores had not moved as of {judged.as_of}.")]
    return []


def _failed(judged: Decided) -> set[str]:
    return {*(judged.failed or ()), *(judged.warned or ())}


def age(as_of: date, today: date) -> int:
    """How many cohorts (calendar months) have come since a champion's as-of date."""
    return max(0, (today.year - as_of.year) * 12 + today.month - as_of.month)
