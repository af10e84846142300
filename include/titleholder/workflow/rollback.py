"""A rollback: an earlier champion of the live lane gets its place back. Nothing is trained or judged."""

from __future__ import annotations

from collections.abc import Sequence

from titleholder.errors import UsageError
from titleholder.ledger import reigns, rollbacks, store
from titleholder.ledger.decision import Decision, Entry
from titleholder.ledger.store import LaneEntry
from titleholder.settings import code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE
from titleholder.workflow import decision_policy
from titleholder.workflow.payloads import RollbackOrder


def pinned(model: str, order: RollbackOrder, url: str) -> RollbackOrder:
    """The order with both versions named, so that a yes is a yes to these and to no others.

    Raises:
        UsageError: naming what does not fit and what would.
    """
    rows = store.read_lane(url, model, LIVE)
    if _done(rows, order) is not None:
        return order
    head = _head(rows, model)
    return order.model_copy(update={"leaving": head, "to": _target(rows, order, model, head)})


def refuse_unapproved(model: str, spec: ModelSpec | None, order: RollbackOrder, url: str) -> None:
    """Whoever must approve a rollback is asked by the DAG; no other way leads past them.

    Without a spec, that of the newest live decision says who they are.

    Raises:
        UsageError: the spec demands an approval, and the order has no yes.
    """
    rows = [] if spec else store.read_lane(url, model, LIVE)
    spec = spec or (ModelSpec.restore(store.decision(url, rows[-1].id).spec) if rows else None)
    approval = spec.promotion.rollback_approval if spec else "automatic"
    if approval == "automatic":
        return
    sentence, yes = decision_policy.approved(order.answer)
    if order.answer is None:
        people = ", ".join(p.name for p in approval.people)
        raise UsageError(
            f"{model}: a rollback must be approved by one of {people} (promotion.rollback_approval); trigger the DAG "
            f"{model}.rollback in Airflow, which asks them. Nothing was rolled back"
        )
    if not yes:
        raise UsageError(f"{model}: {sentence}. Nothing was rolled back")


def roll_back(model: str, order: RollbackOrder, url: str) -> Decision:
    """Write the rollback of a model's live lane: to the champion's predecessor, or to the version ordered.

    The version rolled back is barred from then on; see `reigns.bar`. A second try of one Airflow run finds what the
    first one wrote.

    Raises:
        UsageError: naming what does not fit and what would; nothing was written then.
    """

    def plan(rows: list[LaneEntry]) -> list[Entry] | int:
        done = _done(rows, order)
        if done is not None:
            return done
        return [_entry(model, order, rows, url)]

    return store.write(plan, url, model, LIVE)


def _done(rows: Sequence[LaneEntry], order: RollbackOrder) -> int | None:
    """The decision that an earlier try of the same Airflow run wrote."""
    done = (r.id for r in rows if r.kind == "rollback" and r.airflow_run and r.airflow_run == order.run)
    return next(done, None)


def _head(rows: Sequence[LaneEntry], model: str) -> int:
    head = rows[-1].champion_after if rows else None
    if head is None:
        raise UsageError(f"{model}: there is no champion in lane {LIVE}, so there is nothing to roll back")
    return head


def _entry(model: str, order: RollbackOrder, rows: Sequence[LaneEntry], url: str) -> Entry:
    head = _head(rows, model)
    to = _target(rows, order, model, head)
    crowned = reigns.decision_on(rows, to)
    if crowned is None:
        raise UsageError(f"{model}: version {to} has no decision of its own in lane {LIVE}")
    known, forced = store.decision(url, crowned.id), " by force" if to in rollbacks.barred(rows) else ""
    return Entry(
        model=model,
        lane=LIVE,
        as_of=max(r.as_of for r in rows),
        kind="rollback",
        challenger_version=None,
        champion_before=head,
        champion_after=to,
        trained_through=known.trained_through,
        training_run_id=known.training_run_id,
        run_key="",
        snapshot_uri="",
        snapshot_sha256="",
        spec=known.spec,
        spec_fingerprint=known.spec_fingerprint,
        judgement_fingerprint=known.judgement_fingerprint,
        reign_fingerprint="",
        verdict=None,
        spans=None,
        code_version=code_version(),
        seed=known.seed,
        mlflow_run_id="",
        airflow_run=order.run,
        actor=order.actor,
        reason=f"{_approved(order)}Version {head} gave way to version {to}{forced}. {order.reason}",
        asked_because=order.reason,
        approval=order.answer,
    )


def _approved(order: RollbackOrder) -> str:
    return f"{decision_policy.approved(order.answer)[0]}. " if order.answer else ""


def _target(rows: Sequence[LaneEntry], order: RollbackOrder, model: str, head: int) -> int:
    if not order.reason.strip():
        raise UsageError(f"{model}: a rollback needs a reason; it is kept in the ledger")
    if order.leaving not in (None, head):
        raise UsageError(f"{model}: version {head} is champion, not version {order.leaving}; nothing was rolled back")
    former, gone = [v for v in reigns.former_champions(rows) if v != head], rollbacks.barred(rows)
    valid = ", ".join(f"{v} (rolled back)" if v in gone else str(v) for v in former) or "none"
    valid = f"other versions that were champion: {valid}"
    to = order.to if order.to is not None else rollbacks.predecessor(rows, head)
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
