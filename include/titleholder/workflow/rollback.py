"""What people decide about the live lane: a rollback to an earlier champion, or that a model is retired.

Nothing is trained or judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from titleholder.errors import UsageError
from titleholder.ledger import reigns, rollbacks, store
from titleholder.ledger.decision import Decision, Entry, restored_spec
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.settings import code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.promotion import Approval, Person
from titleholder.spec.types import DECLINE, LIVE, UNJUDGED
from titleholder.workflow import decision_policy
from titleholder.workflow.payloads import RollbackOrder


def pinned(model: str, spec: ModelSpec | None, order: RollbackOrder, url: str) -> RollbackOrder:
    """The order with both versions and the people who may approve it, so that a yes is a yes to these by one of those.

    Without a spec, that of the newest live run says who they are. An order that was carried out stays as it is.

    Raises:
        UsageError: naming what does not fit and what would.
    """
    rows = store.read_lane(url, model, LIVE)
    if _done(rows, order, url) is not None:
        return order
    head, approval = _head(rows, model), _approval(spec, rows, url)
    people = None if approval == "automatic" else _approvers(approval, order)
    return order.model_copy(update={"leaving": head, "to": _target(rows, order, model, head), "approvers": people})


def _approvers(approval: Approval, order: RollbackOrder) -> tuple[Person, ...]:
    return decision_policy.approvers(approval, order.actor, order.requesters)


def _approval(spec: ModelSpec | None, rows: Sequence[LaneEntry], url: str) -> Approval | Literal["automatic"]:
    """Who must approve a rollback now: by the spec, or by that of the newest live run where it cannot be read.

    What people decided has the spec of an older version, which may have asked for less.
    """
    if spec is None:
        run = next((row for row in reversed(rows) if row.kind not in UNJUDGED), None)
        spec = restored_spec(run.id, store.decision(url, run.id).spec) if run else None
    return spec.promotion.rollback_approval if spec else "automatic"


def roll_back(model: str, spec: ModelSpec | None, order: RollbackOrder, url: str) -> Decision:
    """Write the rollback of a model's live lane: to the champion's predecessor, or to the version ordered.

    Where people had to approve it and did not, write that it was declined: nothing else changes. Only a yes counts of a
    person who was asked and whom the spec still names. The version rolled back is barred from then on; see
    `reigns.bar`. A second try of one Airflow run, or of one person with one reason, finds what the first one wrote.

    Raises:
        UsageError: naming what does not fit and what would, or that people must be asked first; nothing was written
            then.
    """

    def plan(rows: list[LaneEntry]) -> list[Entry] | int:
        done = _done(rows, order, url)
        if done is not None:
            return done
        sentence, yes = _answered(model, order, _approval(spec, rows, url))
        return [_rollback(model, order, rows, url, sentence) if yes else _decline(model, order, rows, url, sentence)]

    return store.write(plan, url, model, LIVE)


def _answered(model: str, order: RollbackOrder, approval: Approval | Literal["automatic"]) -> tuple[str, bool]:
    """What the people said, as a sentence, and whether the rollback may take place.

    Whoever must approve is asked by the DAG; no other way leads past them.
    """
    if order.answer is None and approval == "automatic":
        return "", True
    if order.answer is None and approval != "automatic":
        people = ", ".join(p.name for p in approval.people)
        raise UsageError(
            f"{model}: a rollback must be approved by one of {people} (promotion.rollback_approval); trigger the DAG "
            f"{model}.rollback in Airflow, which asks them. Nothing was rolled back"
        )
    sentence, yes = decision_policy.approved(order.answer, by_anybody=order.requesters is None)
    named = None if approval == "automatic" else [p.name for p in _approvers(approval, order)]
    if yes and order.answer and named is not None and order.answer.by not in named:
        return f"{sentence}, but the current spec no longer allows it. ", False
    return f"{sentence}. ", yes


def withdraw(model: str, reason: str, actor: str, url: str) -> Decision:
    """Write that a model was retired: its live lane has no champion from now on.

    Raises:
        UsageError: where it has none already, or there is no reason; nothing was written then.
    """

    def plan(rows: list[LaneEntry]) -> list[Entry]:
        if not reason.strip():
            raise UsageError(f"{model}: a retirement needs a reason; it is kept in the ledger")
        if record := reigns.retirement(rows):
            raise UsageError(f"{model} was retired already ({record})")
        head = rows[-1].champion_after if rows else None
        if head is None:
            raise UsageError(f"{model}: there is no champion in lane {LIVE}, so there is nothing to retire")
        said = f"The model was retired: version {head} is no longer champion. {reason}"
        return [_entry(model, head, rows, url, kind="withdraw", actor=actor, reason=said, asked_because=reason)]

    return store.write(plan, url, model, LIVE)


def _done(rows: Sequence[LaneEntry], order: RollbackOrder, url: str) -> int | None:
    """The decision that an earlier try of the same order wrote: a rollback, or that this answer declined it.

    A person's no stands for the Airflow run, whatever came of clearing it. An order without a run is the one by which
    the champion came back, where the same person gave it with the same reason and the same versions, as far as it
    names them: its answer may have been lost.
    """
    if not order.run:
        last = next((r for r in reversed(rows) if r.changed), None)
        return last.id if last and last.kind == "rollback" and _is_order_of(last, order, url) else None
    answer = order.answer.model_dump(mode="json") if order.answer else None
    own = [r for r in rows if r.airflow_run == order.run]
    declined = [r.id for r in own if r.kind == DECLINE and (r.approval == answer or r.refused_in(order.run))]
    return next((r.id for r in own if r.kind == "rollback" or r.id in declined), None)


def _is_order_of(row: LaneEntry, order: RollbackOrder, url: str) -> bool:
    named = (order.leaving in (None, row.champion_before), order.to in (None, row.champion_after))
    same = all(named) and not row.airflow_run and row.asked_because == order.reason
    return same and store.decision(url, row.id).actor == order.actor


def _head(rows: Sequence[LaneEntry], model: str) -> int | None:
    head = rows[-1].champion_after if rows else None
    if head is None and not reigns.retirement(rows):
        raise UsageError(f"{model}: there is no champion in lane {LIVE}, so there is nothing to roll back")
    return head


def _rollback(model: str, order: RollbackOrder, rows: Sequence[LaneEntry], url: str, sentence: str) -> Entry:
    head = _head(rows, model)
    to = _target(rows, order, model, head)
    forced = " by force" if to in rollbacks.barred(rows) else ""
    change = f"Version {head} gave way to version {to}" if head else f"Retired before, version {to} is champion again"
    said = f"{sentence}{change}{forced}. {order.reason}"
    return _entry(model, to, rows, url, kind="rollback", champion_after=to, reason=said, **_about(order))


def _decline(model: str, order: RollbackOrder, rows: Sequence[LaneEntry], url: str, sentence: str) -> Entry:
    head = rows[-1].champion_after if rows else None
    to = order.to if order.to is not None else _target(rows, order, model, head)
    stays = f"Version {head} stays champion" if head else "The model stays retired"
    said = f"{sentence}{stays}: version {to} was to become champion again. {order.reason}"
    return _entry(model, to, rows, url, kind=DECLINE, champion_after=head, reason=said, **_about(order))


def _about(order: RollbackOrder) -> dict[str, Any]:
    """Who ordered it, by which run, and why; and what people said."""
    answer = order.answer and order.answer.model_dump()
    code = code_version(str(order.bundle or ""))
    about = {"actor": order.actor, "airflow_run": order.run, "asked_because": order.reason, "approval": answer}
    return {**about, "code_version": code}


def _entry(model: str, version: int, rows: Sequence[LaneEntry], url: str, **parts: Any) -> Entry:
    """An entry about which nothing was judged, with what is known of a version's training."""
    trained = reigns.decision_on(rows, version)
    if trained is None:
        raise UsageError(f"{model}: version {version} has no decision of its own in lane {LIVE}")
    known = store.decision(url, trained.id)
    kept = {"spec", "spec_fingerprint", "judgement_fingerprint", "trained_through", "training_run_id", "seed"}
    blank: dict[str, Any] = dict.fromkeys(
        ("run_key", "snapshot_uri", "snapshot_sha256", "reign_fingerprint", "mlflow_run_id"), ""
    )
    blank |= dict.fromkeys(("challenger_version", "champion_after", "verdict", "spans"))
    blank["nominees"] = ()
    place = {
        "model": model,
        "lane": LIVE,
        "as_of": max(r.as_of for r in rows),
        "champion_before": rows[-1].champion_after,
    }
    now = {"code_version": code_version(), "airflow_run": ""}
    return Entry.model_validate({**known.model_dump(include=kept), **blank, **place, **now, **parts})


def _target(rows: Sequence[LaneEntry], order: RollbackOrder, model: str, head: int | None) -> int:
    if not order.reason.strip():
        raise UsageError(f"{model}: a rollback needs a reason; it is kept in the ledger")
    if order.leaving not in (None, head):
        champion = f"version {head}" if head else "no version"
        raise UsageError(f"{model}: {champion} is champion, not version {order.leaving}; nothing was rolled back")
    former, gone = [v for v in reigns.former_champions(rows) if v != head], rollbacks.barred(rows)
    valid = ", ".join(f"{v} (rolled back)" if v in gone else str(v) for v in former) or "none"
    valid = f"other versions that were champion: {valid}"
    predecessor = (
        rollbacks.predecessor(rows, head) if head else next(r.champion_before for r in rows[::-1] if r.changed)
    )
    to = order.to if order.to is not None else predecessor
    if to is None:
        raise UsageError(f"{model}: version {head} has no predecessor to go back to; nothing was changed; {valid}")
    if to not in former:
        why = "is champion already" if to == head else "never was champion in the live lane"
        raise UsageError(f"{model}: version {to} {why}; {valid}")
    if to in gone and not order.force:
        raise UsageError(
            f"{model}: version {to} was itself rolled back ({gone[to].asked_because}); reinstate it with force if you "
            f"mean it; {valid}"
        )
    return to
