"""A model's health as findings: what is in order, what needs attention, and where to act on it (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote

from titleholder.ledger.queries import DecisionRecord, LiveStatus
from titleholder_airflow.page.airflow import Approval, Model, Run
from titleholder_airflow.page.mlflow import Aliases

Tone = Literal["good", "none", "warn", "bad", "open"]
URGENCY: tuple[Tone, ...] = ("bad", "open", "warn", "none", "good")
FLOORS, CHAMPION_FLOORS = "TH201", "TH205"
DRIFT = {"TH401": "its scores at training", "TH402": "the champion's scores"}
GRACE = timedelta(hours=1)
"""How late a run may start before the page says so."""


class HealthSign(NamedTuple):
    """One fact about a model: its tone, a short label, a sentence, and a link to where one can act, if there is one."""

    tone: Tone
    label: str
    sentence: str
    href: str = ""


class State(NamedTuple):
    """How a model is: one word, the most urgent sign as its reason, and every other sign that is not good."""

    tone: Tone
    word: str
    reason: HealthSign
    others: list[HealthSign]


WORDS: dict[Tone, str] = {"bad": "needs action", "open": "needs an answer", "warn": "watch", "good": "in order"}
"""The state by the tone of its reason; where nothing is good or bad yet, the state is the reason's own label."""
ALL_GOOD = HealthSign("good", "in order", "Nothing that was looked at is out of order.")


def state(signs: Sequence[HealthSign]) -> State:
    """The state of a model by its signs, the most urgent of which comes first.

    One that is neither good nor bad, such as an outcome that is not known yet, is the state only where nothing is good.
    """
    left = [sign for sign in signs if sign.tone != "good"]
    if not left or (left[0].tone == "none" and len(left) < len(signs)):
        return State("good", WORDS["good"], ALL_GOOD, left)
    first, *others = left
    return State(first.tone, WORDS.get(first.tone, first.label), first, others)


def findings(
    model: Model,
    standing: LiveStatus,
    approvals: Sequence[Approval],
    run: Run | None,
    aliases: Aliases,
    now: datetime,
    more: Sequence[HealthSign] = (),
) -> list[HealthSign]:
    """Everything that is known about a model's health, the most urgent first; `more` is of scoring and monitoring."""
    if standing.last and standing.last.kind == "withdraw":
        wrong = _alias(model, standing, aliases) if differs(model.name, standing, aliases) else []
        return [*wrong, *_retired(model, standing.last)]
    found = [
        *_dag(model, now), *_run(run), *_approvals(approvals), *_alias(model, standing, aliases), *_judged(standing),
        *more,
    ]  # fmt: skip
    return sorted(found, key=lambda finding: URGENCY.index(finding.tone))


def _dag(model: Model, now: datetime) -> list[HealthSign]:
    href = f"/dags/{quote(model.dag_id, safe='')}"
    if model.stale:
        sentence = "Its spec is missing or broken: see the import errors on Airflow's Dags page."
        return [HealthSign("bad", "no spec", sentence, "/dags")]
    if model.paused:
        return [HealthSign("warn", "switched off", "Its retrain DAG is paused: no scheduled run starts.", href)]
    if model.next_run and now - model.next_run > GRACE:
        sentence = f"A run was due at {model.next_run:%Y-%m-%d %H:%M} UTC and has not started: is the scheduler up?"
        return [HealthSign("warn", "overdue", sentence, href)]
    return []


def _retired(model: Model, last: DecisionRecord) -> list[HealthSign]:
    """A model out of use needs nothing, but its DAG should be off: its live runs fail."""
    sentence = f"Retired on {last.created_at:%Y-%m-%d} by {last.actor}: {last.asked_because}"
    retired = HealthSign("none", "retired", sentence)
    if model.stale or model.paused:
        return [retired]
    href = f"/dags/{quote(model.dag_id, safe='')}"
    running = "The model is retired and its retrain DAG is still switched on: its live runs fail."
    return [HealthSign("warn", "still switched on", running, href), retired]


def _run(run: Run | None) -> list[HealthSign]:
    if run is None or run.state != "failed":
        return []
    sentence = f"The newest automatic run, due {run.run_after:%Y-%m-%d}, failed; its red task says what to do."
    return [HealthSign("bad", "run failed", f"{sentence} The ledger's champion stays.", run.href)]


def _approvals(approvals: Sequence[Approval]) -> list[HealthSign]:
    if not approvals:
        return []
    many = "A change of champion waits" if len(approvals) == 1 else f"{len(approvals)} changes of champion wait"
    whom = f" by {approvals[0].people}" if len(approvals) == 1 and approvals[0].people else ""
    sentence = f"{many} for approval{whom}; no answer means no."
    return [HealthSign("open", "approval requested", sentence, approvals[0].href)]


def differs(model: str, standing: LiveStatus, aliases: Aliases) -> bool:
    """Whether the registry's alias is not at the ledger's champion, or is unknown."""
    return bool(aliases.error) or aliases.versions.get(model) != _champion(standing)


def _champion(standing: LiveStatus) -> int | None:
    return standing.champion.version if standing.champion else None


def _alias(model: Model, standing: LiveStatus, aliases: Aliases) -> list[HealthSign]:
    alias, champion = aliases.versions.get(model.name), _champion(standing)
    if aliases.error:
        return [HealthSign("warn", "alias not compared", f"{aliases.error}: alias and ledger were not compared.")]
    if alias == champion:
        agree = HealthSign("good", "alias agrees", "The alias in MLflow is at the ledger's champion.")
        return [agree if champion else HealthSign("none", "no champion", "No champion yet, and no alias in MLflow.")]
    there, here = (f"version {v}" if v else "no version" for v in (alias, champion))
    remedy = f"`titleholder audit {model.name} --repair` or the next run repairs it."
    return [HealthSign("bad", "alias differs", f"The alias in MLflow is at {there}, the ledger at {here}. {remedy}")]


def _judged(standing: LiveStatus) -> list[HealthSign]:
    """What the judgement of the newest as-of date says about the champion; nothing where another was champion then."""
    judged = standing.judged
    if judged is None:
        return []
    if judged.kind == "retire":
        sentence = f"Champion and challenger were shown to miss the floors as of {judged.as_of}."
        return [HealthSign("bad", "retirement advised", sentence)]
    if (champion := _champion(standing)) is None:
        return []
    itself = _champion_itself(judged) if judged.judged_against == champion else []
    return [*itself, *_floors(judged), *_drift(judged)] if judged.champion_after == champion else itself


def _champion_itself(judged: DecisionRecord) -> list[HealthSign]:
    """What the champion fails that would block a challenger; a rollback may have brought it back since."""
    if not judged.champion_failed:
        return []
    codes = ", ".join(judged.champion_failed)
    sentence = f"The champion itself fails {codes} as of {judged.as_of}: a challenger like it would be rejected."
    return [HealthSign("bad", "champion fails", sentence)]


def _floors(judged: DecisionRecord) -> list[HealthSign]:
    """The champion's floors: as checked when it was promoted, or by a later challenge. A recall checked neither."""
    if judged.kind == "recall":
        return []
    code = FLOORS if judged.kind == "promote" else CHAMPION_FLOORS
    if code in _failed(judged):
        return [
            HealthSign(
                "bad", "below floors", f"The champion was shown to miss its floors as of {judged.as_of} ({code})."
            )
        ]
    if code in (judged.beyond or ()):
        sentence = (
            f"The champion's estimate missed its floors as of {judged.as_of}; the interval reaches them ({code})."
        )
        return [HealthSign("warn", "below floors, not shown", sentence)]
    if code in (judged.passed or ()):
        return [HealthSign("good", "floors hold", f"The champion was above its floors as of {judged.as_of}.")]
    return []


def _drift(judged: DecisionRecord) -> list[HealthSign]:
    """Whether scores drifted. It says nothing where a rejected challenger's differ from the champion's.

    Nor does it after a recall: the challenger was compared with the champion before.
    """
    codes = [code for code in DRIFT if code == "TH401" or judged.kind not in ("reject", "recall")]
    if failed := [code for code in codes if code in _failed(judged)]:
        from_what = " and from ".join(f"{DRIFT[code]} ({code})" for code in failed)
        sentence = f"The challenger's scores as of {judged.as_of} differ from {from_what}."
        return [HealthSign("warn", "scores moved", sentence)]
    if doubtful := [code for code in codes if code in (judged.beyond or ())]:
        from_what = " and from ".join(f"{DRIFT[code]} ({code})" for code in doubtful)
        sentence = f"The challenger's scores as of {judged.as_of} seem to differ from {from_what}; it is not shown."
        return [HealthSign("warn", "scores moved, not shown", sentence)]
    if any(code in (judged.passed or ()) for code in codes):
        return [HealthSign("good", "scores stable", f"No score drift was found as of {judged.as_of}.")]
    return []


def _failed(judged: DecisionRecord) -> set[str]:
    return {*(judged.failed or ()), *(judged.warned or ())}
