"""How a decision enters a line of succession, under the line's lock, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date

from titleholder import ledger, policy
from titleholder.contest import Contest, prepare
from titleholder.ledger import LIVE, Decision, Entry, Line
from titleholder.references import Ruled
from titleholder.registry import Registry
from titleholder.settings import code_version
from titleholder.spec import ModelSpec
from titleholder.verdict import Reign, Verdict

log = logging.getLogger(__name__)


def align(line: Line, registry: Registry, model: str) -> bool:
    """Let the alias follow the live head; returns whether it had to be moved. Other lanes never touch it."""
    head = line.rows[-1].champion_after if line.rows else None
    if line.lane != LIVE or head is None or registry.champion(model) == head:
        return False
    registry.crown(model, head)
    return True


def already(rows: Sequence[Decision], version: int, spec: ModelSpec) -> Decision | None:
    """The decision that stands about this version, if it was held to the same rules, or if it has reigned."""
    row = ledger.row_of(rows, version)
    if row is None or (row.lane != LIVE and row != next(r for r in reversed(rows) if r.as_of == row.as_of)):
        return None  # elsewhere than live a later challenger of the same as-of date has replaced it
    same_rules = ModelSpec.restore(row.spec).judgement_fingerprint() == spec.judgement_fingerprint()
    return row if same_rules or (row.lane == LIVE and row.kind == "promote") else None


def rule(spec: ModelSpec, verdict: Verdict, as_of: date, lane: str, rows: Sequence[Decision]) -> policy.Ruling:
    """The policy's ruling in a lane with these rows."""
    return policy.rule(spec, verdict, as_of=as_of, lane=lane, newest=max((r.as_of for r in rows), default=None))


def settle(line: Line, ruled: Ruled, spec: ModelSpec, registry: Registry) -> list[Decision]:
    """Append the decision, judged against whoever reigns now; then judge anew what came after it in as-of order.

    Returns the rows that were written, the decision first.
    """
    challenger, snapshot = ruled.challenger, ruled.challenger.snapshot
    reign = line.reign(snapshot.as_of)
    verdict = ruled.verdict
    if reign != verdict.champion:
        verdict = prepare(Contest.of(challenger, spec), reign, line.rows, registry).judge()
    ruling = rule(spec, verdict, snapshot.as_of, line.lane, line.rows)
    if ruling.kind == "ask":
        ruling = policy.Ruling("keep", f"Nobody could be asked. {ruling.reason}")
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
        )
    )
    return [decision, *(_judge_anew(line, decision, registry) if line.lane != LIVE else ())]


def _after(kind: str, challenger: int | None, reign: Reign | None) -> int | None:
    return challenger if kind == "promote" else (reign.version if reign else None)


def _judge_anew(line: Line, cause: Decision, registry: Registry) -> Iterator[Decision]:
    """Let later months of a fold follow a change before them: a prediction and a row each, never a training."""
    for later in [row for row in line.standing() if row.as_of > cause.as_of]:
        reign = line.reign(later.as_of)
        if reign == later.verdict.champion:
            continue
        again = Contest.again(later)
        verdict = prepare(again, reign, line.rows, registry).judge()
        ruling = rule(again.spec, verdict, later.as_of, line.lane, line.rows)
        entry = later.model_dump(include=set(Entry.model_fields)) | {
            "kind": ruling.kind,
            "champion_before": reign.version if reign else None,
            "verdict": verdict,
            "champion_after": _after(ruling.kind, later.challenger_version, reign),
            "reason": ruling.reason,
            "asked_because": f"judged anew after {cause.as_of}",
            "actor": cause.actor,
            "airflow_run": cause.airflow_run,
            "code_version": code_version(),
        }
        yield line.append(Entry.model_validate(entry))
        log.info("%s: judged %s anew after %s: %s", line.lane, later.as_of, cause.as_of, ruling.kind)
