"""How a decision enters a line of succession, under the line's lock, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from titleholder.errors import DataError, UsageError
from titleholder.ledger import reigns
from titleholder.ledger.decision import Answer, Decision, Entry
from titleholder.ledger.store import Line
from titleholder.registry.models import Registry
from titleholder.settings import code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LIVE
from titleholder.validation.verdict import Reign, Verdict
from titleholder.workflow import policy
from titleholder.workflow.payloads import Rollback, Ruled
from titleholder.workflow.scoring import Contest, prepare

log = logging.getLogger(__name__)


def align(line: Line, registry: Registry, model: str) -> bool:
    """Let the alias follow the live head; returns whether it had to be moved. Other lanes never touch it."""
    head = line.rows[-1].champion_after if line.rows else None
    if line.lane != LIVE or head is None or registry.champion(model) == head:
        return False
    registry.crown(model, head)
    return True


def already(rows: Sequence[Decision], version: int, spec: ModelSpec, answer: Answer | None = None) -> Decision | None:
    """The decision that stands about this version: held to the same rules, with no newer answer, or a reign begun.

    Elsewhere than live none stands that a later challenger of the same as-of date has replaced, nor one that could not
    be judged anew when another version came to reign before it.
    """
    row = reigns.row_of(rows, version)
    if row is None or (row.lane != LIVE and not _in_force(row, rows)):
        return None
    same_rules = ModelSpec.restore(row.spec).judgement_fingerprint() == spec.judgement_fingerprint()
    asked_again = answer is not None and answer != row.approval
    crowned = row.lane == LIVE and row.kind == "promote"
    return row if crowned or (same_rules and not asked_again) else None


def _in_force(row: Decision, rows: Sequence[Decision]) -> bool:
    newest = next(r for r in reversed(rows) if r.as_of == row.as_of)
    return row == newest and reigns.reign_before(rows, row.lane, row.as_of) == row.judged.champion


def roll_back(line: Line, order: Rollback, model: str) -> Decision:
    """Give the live line back to a version that once was champion: its head's predecessor, or the one ordered.

    The version rolled back is barred from then on; see `reigns.bar`. A second try of one Airflow run finds what the
    first one wrote.

    Raises:
        UsageError: naming what does not fit and what would; nothing was written then.
    """
    rows = line.rows
    if done := next((r for r in rows if r.kind == "rollback" and r.airflow_run and r.airflow_run == order.run), None):
        return done
    head = rows[-1].champion_after if rows else None
    if head is None:
        raise UsageError(f"{model}: nobody reigns in lane {line.lane}, so there is nothing to roll back")
    to = _target(rows, order, model, head)
    crowned = reigns.row_of(rows, to)
    if crowned is None:
        raise UsageError(f"{model}: version {to} has no decision of its own in lane {line.lane}")
    forced = " by force" if to in reigns.barred(rows) else ""
    return line.append(
        Entry(
            model=model,
            lane=line.lane,
            as_of=max(r.as_of for r in rows),
            kind="rollback",
            challenger_version=None,
            champion_before=head,
            champion_after=to,
            trained_through=crowned.trained_through,
            run_key="",
            snapshot_uri="",
            snapshot_sha256="",
            spec=crowned.spec,
            spec_fingerprint=crowned.spec_fingerprint,
            verdict=None,
            spans=None,
            code_version=code_version(),
            seed=crowned.seed,
            mlflow_run_id="",
            airflow_run=order.run,
            actor=order.actor,
            reason=f"Version {head} gave way to version {to}{forced}. {order.reason}",
            asked_because=order.reason,
        )
    )


def _target(rows: Sequence[Decision], order: Rollback, model: str, head: int) -> int:
    if not order.reason.strip():
        raise UsageError(f"{model}: a rollback needs a reason; it is kept in the ledger")
    if order.leaving not in (None, head):
        raise UsageError(f"{model}: version {head} reigns, not version {order.leaving}; nothing was rolled back")
    ever, gone = [v for v in reigns.reigned(rows) if v != head], reigns.barred(rows)
    valid = ", ".join(f"{v} (rolled back)" if v in gone else str(v) for v in ever) or "none"
    valid = f"other versions that once reigned: {valid}"
    to = order.to if order.to is not None else reigns.predecessor(rows, head)
    if to is None:
        raise UsageError(f"{model}: nobody to go back to from version {head}; nothing was changed; {valid}")
    if to not in ever:
        why = "reigns already" if to == head else "never was champion in the live lane"
        raise UsageError(f"{model}: version {to} {why}; {valid}")
    if to in gone and not order.force:
        raise UsageError(
            f"{model}: version {to} was itself rolled back ({gone[to].asked_because}); reinstate it with force if you "
            f"mean it; {valid}"
        )
    return to


def rule(
    spec: ModelSpec, verdict: Verdict, as_of: date, trained_through: date | None, lane: str, rows: Sequence[Decision]
) -> policy.Ruling:
    """The policy's ruling in a lane with these rows."""
    newest = max((r.as_of for r in rows), default=None)
    barred = reigns.bar(rows, trained_through) if trained_through else ""
    return policy.rule(spec, verdict, as_of=as_of, lane=lane, newest=newest, barred=barred)


def settle(line: Line, ruled: Ruled, spec: ModelSpec, registry: Registry) -> list[Decision]:
    """Append the decision, judged against whoever reigns now; then judge anew what came after it in as-of order.

    Returns the rows that were written, the decision first.
    """
    challenger, snapshot = ruled.challenger, ruled.challenger.snapshot
    reign = line.reign(snapshot.as_of)
    verdict = ruled.verdict
    if reign != verdict.champion:
        verdict = prepare(Contest.of(challenger, spec), reign, line.rows, registry).judge()
    ruling = rule(spec, verdict, snapshot.as_of, challenger.trained_through, line.lane, line.rows)
    if ruling.kind == "ask" or ruled.answer:
        ruling = policy.answered(ruling, ruled.answer, _since(line.rows, ruled))
    decision = line.append(
        Entry(
            model=snapshot.model,
            lane=line.lane,
            as_of=snapshot.as_of,
            kind=ruling.kind,
            challenger_version=challenger.version,
            champion_before=reign.version if reign else None,
            champion_after=_after(ruling.kind, challenger.version, reign),
            trained_through=challenger.trained_through,
            run_key=snapshot.key,
            snapshot_uri=snapshot.uri,
            snapshot_sha256=snapshot.sha256,
            spec=spec.model_dump(mode="json"),
            spec_fingerprint=spec.fingerprint(),
            verdict=verdict,
            spans=snapshot.spans,
            code_version=code_version(),
            seed=spec.training.seed,
            mlflow_run_id=snapshot.run_id,
            airflow_run=snapshot.origin.airflow_run,
            actor=snapshot.origin.actor,
            reason=ruling.reason,
            asked_because=snapshot.origin.reason,
            approval=ruled.answer,
        )
    )
    return [decision, *(_judge_anew(line, decision, registry) if line.lane != LIVE else ())]


def _since(rows: Sequence[Decision], ruled: Ruled) -> str:
    """What voids an answer: a change of champion, or a challenger no older, decided after the question was made."""
    as_of = ruled.challenger.snapshot.as_of
    later = [r for r in rows if r.sequence > ruled.head and (r.as_of >= as_of or r.changed)]
    if not later:
        return ""
    last = later[-1]
    if last.kind == "rollback":
        return f"version {last.champion_before} was rolled back to version {last.champion_after} since"
    return f"version {last.challenger_version}, as of {last.as_of}, was decided since ({last.kind})"


def _after(kind: str, challenger: int | None, reign: Reign | None) -> int | None:
    return challenger if kind == "promote" else (reign.version if reign else None)


def _again(cause: Decision, later: Decision, reign: Reign | None) -> str:
    """Why a month is judged anew, and what it was before."""
    before = later.judged.champion
    if (before and before.version) == (reign and reign.version):
        what = "the reign has other evidence"
    else:
        now, then = (f"version {r.version}" if r else "nobody" for r in (reign, before))
        what = f"{now} reigned then, not {then}"
    return f"{reigns.anew(cause)}: {what}; it was {later.kind}"


Judge = Callable[[Contest, Reign | None, Sequence[Decision]], Verdict]
"""Gives the verdict on a contest against whoever reigns, in a lane with these rows."""


def judged_anew(row: Decision, contest: Contest, rows: Sequence[Decision], lane: str, judge: Judge) -> dict[str, Any]:
    """One step of a lane's fold: what a decision becomes after these rows, under the spec of this contest.

    Returns what changes of the row.
    """
    reign = reigns.reign_before(rows, lane, row.as_of)
    verdict = judge(contest, reign, rows)
    ruling = rule(contest.spec, verdict, row.as_of, row.trained_through, lane, rows)
    return {
        "kind": ruling.kind,
        "champion_before": reign.version if reign else None,
        "verdict": verdict,
        "champion_after": _after(ruling.kind, row.challenger_version, reign),
        "reason": ruling.reason,
    }


def _judge_anew(line: Line, cause: Decision, registry: Registry) -> Iterator[Decision]:
    """Let later months of a fold follow a change before them: a prediction and a row each, never a training.

    A month that cannot be judged against its new champion (its snapshot is gone, or lacks what the champion needs)
    stands as it was, and so do those after it, until it is run again.
    """

    def judge(contest: Contest, reign: Reign | None, rows: Sequence[Decision]) -> Verdict:
        return prepare(contest, reign, rows, registry).judge()

    for later in [row for row in line.standing() if row.as_of > cause.as_of]:
        if (reign := line.reign(later.as_of)) == later.judged.champion:
            continue
        try:
            anew = judged_anew(later, Contest.again(later), line.rows, line.lane, judge)
        except DataError as error:
            log.warning("%s: %s stands as it was until it is run again: %s", line.lane, later.as_of, error)
            continue
        entry = later.model_dump(include=set(Entry.model_fields)) | {
            **anew,
            "asked_because": _again(cause, later, reign),
            "actor": cause.actor,
            "airflow_run": cause.airflow_run,
            "code_version": code_version(),
        }
        yield line.append(Entry.model_validate(entry))
        log.info("%s: judged %s anew after %s: %s", line.lane, later.as_of, cause.as_of, anew["kind"])
