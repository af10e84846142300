"""What follows from a verdict: promote, keep, reject, recall, ask a person, or advise to retire (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, NamedTuple

from titleholder import formatting
from titleholder.ledger.decision import Answer
from titleholder.spec.metrics import METRICS
from titleholder.spec.model import ModelSpec
from titleholder.spec.promotion import Approval, Person
from titleholder.spec.types import LIVE
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.performance import enough_outcomes
from titleholder.validation.verdict import Recall, Verdict

Kind = Literal["promote", "keep", "reject", "recall", "retire", "ask"]


class Ruling(NamedTuple):
    """What was ruled, and why in a sentence or two; of the kind `ask`, also what follows from a yes and from a no.

    >>> answered(Ruling("ask", "Better."), None)[:2]
    ('keep', 'No person could be asked. Better.')
    """

    kind: Kind
    reason: str
    if_approved: Kind = "promote"
    if_refused: Kind = "keep"


def rule(
    spec: ModelSpec,
    verdict: Verdict,
    *,
    as_of: date,
    lane: str,
    newest: date | None,
    barred: str = "",
    recall_barred: str = "",
) -> Ruling:
    """The ruling on a challenger of `as_of`, and on the former version that its verdict may name.

    `newest` is the as-of date of the lane's newest decision; in the live lane an older challenger is never promoted.
    `barred` says why the challenger may not win although it is better, `recall_barred` why the former version may not
    be recalled: see `reigns.bar` and `reigns.recall_bar`.
    A former version that may be recalled is, whatever becomes of the challenger.
    `retire` is advice to people: the champion is shown to lie beyond its floors and the challenger does not reach them.
    The champion stays until a person acts. A winner that is not plausible is promoted by people only: it is kept back
    where none may be asked.
    """
    if lane == LIVE and newest is not None and as_of < newest:
        return Ruling("keep", f"Older than the newest live decision, of {newest}: recorded, never promoted.")
    ruling = (
        _failure(verdict)
        or _delay(spec, verdict, as_of, barred)
        or _doubt(spec, verdict, lane)
        or _win(spec, verdict, lane)
    )
    if (recall := verdict.recall) and verdict.champion and recall.version != verdict.champion.version:
        if obstacle := _obstacle(spec, verdict, recall, as_of, recall_barred):
            ruling = _not_recalled(ruling, recall, obstacle)
        else:
            ruling = _recalled(spec, verdict, recall, lane, ruling)
    unfit = " and ".join(f"{candidate.name} (version {candidate.version})" for candidate in verdict.unfit)
    more = [f"Judged after {unfit}, unfit on the same rows." if unfit else "", verdict.about_champion(ruling.reason)]
    return ruling._replace(reason=" ".join(filter(None, (ruling.reason, *more))))


def _failure(verdict: Verdict) -> Ruling | None:
    """What follows from the checks that failed: advice to retire, a rejection, or the champion is kept."""
    champion = [c for c in verdict.checks if c.subject == "champion" and c.failed]  # even if that does not block
    challenger = verdict.unfitness()
    comparison = [c for c in verdict.failed() if c.subject == "comparison"]
    if champion and any(c.role == "floor" for c in challenger):
        both = f"{_explained(champion)} The challenger: {_explained(challenger)}"
        return Ruling("retire", f"Neither model is good enough. {both}")
    if challenger:
        return Ruling("reject", _explained(challenger))
    if comparison:
        unshown = any(c.role == "gain" for c in comparison)
        why = f"{_not_shown(verdict)}." if unshown else "Not fit to replace the champion."
        return Ruling("keep", f"{why} {_explained(comparison)}")
    return None


def _explained(results: Sequence[Result]) -> str:
    return " ".join(result.explained for result in results)


def _delay(spec: ModelSpec, verdict: Verdict, as_of: date, barred: str) -> Ruling | None:
    """The champion is kept although the challenger passed every check: its cooldown is not over, or `barred`."""
    why = _cooldown(spec, verdict, as_of) or barred
    return Ruling("keep", f"{_shown(verdict)}, but {why}.") if why else None


def _cooldown(spec: ModelSpec, verdict: Verdict, as_of: date) -> str:
    """Why the champion may not be replaced yet; empty where it may."""
    cooldown, reign = spec.promotion.cooldown, verdict.champion
    if cooldown is None or reign is None:
        return ""
    until = (reign.recalled or reign.as_of) + cooldown
    since = f", recalled as of {reign.recalled}," if reign.recalled else ""
    if as_of >= until:
        return ""
    return f"the champion of {reign.as_of}{since} may not be replaced before {until} (cooldown {cooldown})"


def _shown(verdict: Verdict) -> str:
    """What it means that a challenger wins by the rule; with a negative minimum gain it need not be better."""
    margin = verdict.minimum_gain
    if verdict.rule == "sequential":
        return "Shown to be better" if margin >= 0 else f"Shown not to be worse by more than {-margin:g}"
    if verdict.rule == "record":
        return "Better on this holdout, and on the record of all versions expected to do better in use"
    here = "Better" if margin >= 0 else f"Not worse by more than {-margin:g}"
    return f"{here} on this holdout, and shown to lose no more than is tolerated"


def _not_shown(verdict: Verdict) -> str:
    """What a challenger that does not win by the rule lacks."""
    if verdict.rule == "sequential":
        return f"Not s{_shown(verdict)[1:]}"
    if verdict.rule == "record":
        return _not_on_record(verdict)
    now = verdict.freshness()
    if now is None or now.better:
        return "Not shown to lose no more than is tolerated"
    return "Not better on this holdout"


def _not_on_record(verdict: Verdict) -> str:
    expected = verdict.outlook
    if verdict.gain is None or verdict.gain.estimate <= verdict.minimum_gain:
        return "Not better on this holdout"
    if expected is None:
        return "No cohort has enough outcomes yet to compare it with the champion"
    if expected.challenger.gain <= expected.minimum:
        least, why = formatting.exact(expected.minimum), expected.why_minimum(verdict.gain.error)
        return (
            "Better on this holdout, but on the record of all versions not expected to gain more in use than "
            f"{least} ({why})"
        )
    return "Expected to do better in use, but a loss beyond what is tolerated is not excluded"


def _doubt(spec: ModelSpec, verdict: Verdict, lane: str) -> Ruling | None:
    """The challenger won by everything else, but the result is not plausible: only a person may promote it."""
    implausible = [c for c in verdict.failed() if c.role == "plausibility"]
    if not implausible:
        return None
    won = "It would be the first champion" if verdict.champion is None else _shown(verdict)
    why = f"{won}, but this is not plausible: look for a leak. {_explained(implausible)}"
    if people := _asked(spec, lane):
        return Ruling("ask", f"{why} {people} must approve.")
    return Ruling("keep", f"{why} Not promoted, because no person is asked to approve it.")


def _win(spec: ModelSpec, verdict: Verdict, lane: str) -> Ruling:
    if verdict.champion is None:
        why = "The first champion: the challenger by itself failed no check that blocks."
    else:
        why = f"{_shown(verdict)}. {_explained([c for c in verdict.checks if c.role == 'gain'])}"
    if people := _asked(spec, lane):
        return Ruling("ask", f"{why} {people} must approve.")
    return Ruling("promote", why)


def _obstacle(spec: ModelSpec, verdict: Verdict, recall: Recall, as_of: date, barred: str) -> str:
    """Why a former version may not be recalled; empty where it may."""
    if any(c.code == enough_outcomes.code for c in verdict.failed()):
        return f"there are too few outcomes ({enough_outcomes.code})"
    if not recall.fit:
        return f"it is not fit for use now ({', '.join(c.code for c in recall.failed)}): {_explained(recall.failed)}"
    return barred or _cooldown(spec, verdict, as_of)


def _not_recalled(ruling: Ruling, recall: Recall, obstacle: str) -> Ruling:
    """The ruling as it is without a recall, which names the former version."""
    why = f"Version {recall.version} would be recalled, but {obstacle.rstrip('.')}."
    return ruling._replace(reason=f"{ruling.reason} {why}")


def _recalled(spec: ModelSpec, verdict: Verdict, recall: Recall, lane: str, otherwise: Ruling) -> Ruling:
    """A recall, or the question whether to recall. After a no the challenger is still rejected if it is unfit."""
    known = verdict.outlook
    record = f"{known.versions} versions over {known.cohorts} cohorts" if known else "all versions"
    loss = f"a loss of more than {formatting.exact(verdict.tolerated_loss)}" if verdict.tolerated_loss else "a loss"
    counted = "events" if METRICS[verdict.metric].task == "classification" else "rows"
    thin = f"; {found}" if known and (found := known.thin(counted)) else ""
    why = (
        f"On the record of {record}, version {recall.version} is expected to do better in use than the champion by "
        f"{formatting.number(recall.gain)} (probability of {loss}: {formatting.probability(recall.risk)}{thin})."
    )
    unfit = otherwise.kind in ("reject", "retire")
    if unfit:
        why = f"{why} The challenger is unfit for use: {otherwise.reason}"
    if people := _asked(spec, lane):
        return Ruling("ask", f"{why} {people} must approve.", "recall", otherwise.kind if unfit else "keep")
    return Ruling("recall", why)


def _asked(spec: ModelSpec, lane: str) -> str:
    """The names of the people who are asked to approve a winner; empty where it is promoted automatically."""
    approval = spec.promotion.approval
    return "" if approval == "automatic" or lane != LIVE else ", ".join(p.name for p in approval.people)


def approvers(approval: Approval, actor: str, requesters: Sequence[str] | None = ()) -> tuple[Person, ...]:
    """The people who may approve the challenger, or the rollback, of a run that `actor` and `requesters` asked for.

    Without `requesters` (None) anybody may have asked for it, so nobody may approve it.
    """
    if approval.own_runs:
        return approval.people
    if requesters is None:
        return ()
    return tuple(p for p in approval.people if not {p.id, p.name} & {actor, *requesters})


def answered(ruling: Ruling, answer: Answer | None, decided_meanwhile: str = "", *, by_anybody: bool = False) -> Ruling:
    """The ruling after people were asked: it promotes or recalls only on a timely yes of a person who was asked.

    `decided_meanwhile` names a decision that came after the question; the answer was to another question then. A ruling
    that is no longer `ask` stays as it is. `by_anybody`: anybody may have asked for the run.
    """
    sentence, yes = approved(answer, decided_meanwhile, by_anybody=by_anybody)
    kind = (ruling.if_approved if yes else ruling.if_refused) if ruling.kind == "ask" else ruling.kind
    return Ruling(kind, f"{sentence}. {ruling.reason}")


def approved(answer: Answer | None, decided_meanwhile: str = "", *, by_anybody: bool = False) -> tuple[str, bool]:
    """A sentence about an answer, without its full stop, and whether it is a yes that counts."""
    if answer is None:
        return "No person could be asked", False
    if not answer.asked and by_anybody:
        return (
            "No person may approve: it is not known who requested this run, so it may have been any of them. Trigger "
            "the DAG by hand, or set own_runs in the spec's approval"
        ), False
    if not answer.asked:
        return "No person may approve: the only approvers started the run themselves", False
    if answer.answer == "none":
        return "There was no answer in time, which means no", False
    comment = f' ("{answer.comment}")' if answer.comment else ""
    if answer.answer == "reject":
        return f"{answer.by} said no{comment}", False
    if answer.by not in answer.asked:
        return f"{answer.by} approved{comment}, but was not asked", False
    if decided_meanwhile:
        return f"{answer.by} approved{comment}, but too late: {decided_meanwhile}", False
    return f"{answer.by} approved{comment}", True
