"""What to do about a verdict: promote, keep, reject, ask a person, or advise to retire (pure)."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from titleholder.ledger.decision import Answer
from titleholder.spec.model import Approval, ModelSpec, Person
from titleholder.spec.types import LIVE
from titleholder.validation.checks import above_floors, champion_above_floors, gain_shown
from titleholder.validation.checks.base import Result, comparative
from titleholder.validation.verdict import Verdict

Kind = Literal["promote", "keep", "reject", "retire", "ask"]


class Ruling(NamedTuple):
    """What was ruled and why, in one sentence."""

    kind: Kind
    reason: str


def rule(spec: ModelSpec, verdict: Verdict, *, as_of: date, lane: str, newest: date | None, barred: str = "") -> Ruling:
    """Rule on a challenger of `as_of`.

    `newest` is the as-of date of the lane's newest decision; only the live lane cares: there the past is settled.
    `barred` says why the challenger may not win although it is better: see `lineage.bar`.
    `retire` advises people that the model no longer makes sense: the champion is shown to lie beyond its floors and the
    challenger does not rise above them. It stays champion until somebody acts.
    """
    if lane == LIVE and newest is not None and as_of < newest:
        return Ruling("keep", f"Older than the newest live decision, of {newest}: recorded, never promoted.")
    failed = [c for c in verdict.failed() if c.code != champion_above_floors.code]  # no fault of the challenger's
    in_itself = [c for c in failed if not comparative(c.code)]
    fallen = [c for c in verdict.checks if c.code == champion_above_floors.code and c.status == "fail"]
    if fallen and any(c.code == above_floors.code for c in in_itself):
        return Ruling("retire", f"The model no longer makes sense. {_said(fallen)} The challenger: {_said(in_itself)}")
    if in_itself:
        return Ruling("reject", _said(in_itself))
    if failed:
        unshown = any(c.code == gain_shown.code for c in failed)
        why = f"Not s{_shown(spec)[1:]}." if unshown else "Not fit to replace the champion."
        return Ruling("keep", f"{why} {_said(failed)}")
    if resting := _cooldown(spec, verdict, as_of):
        return Ruling("keep", resting)
    if barred:
        return Ruling("keep", f"{_shown(spec)}, but {barred}.")
    return _won(spec, verdict, lane)


def _said(results: list[Result] | tuple[Result, ...]) -> str:
    return " ".join(c.explanation for c in results)


def _cooldown(spec: ModelSpec, verdict: Verdict, as_of: date) -> str | None:
    rest, reign = spec.promotion.cooldown, verdict.champion
    if rest is None or reign is None or as_of >= (until := reign.as_of + rest):
        return None
    crowned = f"the champion of {reign.as_of} may not be replaced before {until} (cooldown {rest})"
    return f"{_shown(spec)}, but {crowned}."


def _shown(spec: ModelSpec) -> str:
    """What passing the gain means: with a negative minimum it is no gain."""
    margin = spec.judgement.minimum_gain
    return "Shown to be better" if margin >= 0 else f"Shown not to be worse by more than {-margin:g}"


def _won(spec: ModelSpec, verdict: Verdict, lane: str) -> Ruling:
    if verdict.champion is None:
        why = "The first champion: nobody reigned and every absolute check passed."
    else:
        why = f"{_shown(spec)}. {_said([c for c in verdict.checks if c.code == gain_shown.code])}"
    if spec.promotion.approval != "automatic" and lane == LIVE:
        return Ruling("ask", f"{why} {_names(spec.promotion.approval.people)} must approve.")
    return Ruling("promote", why)


def approvers(approval: Approval, requester: str) -> tuple[Person, ...]:
    """Who may approve the challenger of a run that `requester` asked for."""
    return tuple(p for p in approval.people if approval.own_runs or requester not in (p.id, p.name))


def answered(ruling: Ruling, answer: Answer | None, decided_meanwhile: str = "") -> Ruling:
    """What becomes of a ruling that asked for people: only a timely yes of somebody who was asked promotes.

    `decided_meanwhile` tells of a decision that came after the question; the answer was to another question then. Where
    the ruling asks no longer, it stands.
    """
    said, yes = _answer(answer, decided_meanwhile)
    kind: Kind = ("promote" if yes else "keep") if ruling.kind == "ask" else ruling.kind
    return Ruling(kind, f"{said}. {ruling.reason}")


def _answer(answer: Answer | None, decided_meanwhile: str) -> tuple[str, bool]:
    """An answer in words, and whether it is a yes that counts."""
    if answer is None:
        return "Nobody could be asked", False
    if not answer.asked:
        return "Nobody may approve: the run was asked for by whoever would have to", False
    if answer.answer == "none":
        return "Nobody answered in time, and silence means no", False
    comment = f' ("{answer.comment}")' if answer.comment else ""
    if answer.answer == "reject":
        return f"{answer.by} said no{comment}", False
    if answer.by not in answer.asked:
        return f"{answer.by} approved{comment}, but was not asked", False
    if decided_meanwhile:
        return f"{answer.by} approved{comment}, but too late: {decided_meanwhile}", False
    return f"{answer.by} approved{comment}", True


def _names(people: tuple[Person, ...]) -> str:
    return ", ".join(p.name for p in people)
