"""How a decision enters its lane, and which later months are re-judged because of it.

A decision is planned without any lock: models are loaded and bootstraps drawn for the head of the lane that was read.
Then `store.write` writes it if that is still the head, and has it planned again where another run was faster.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from titleholder.errors import DataError, UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Answer, Decision, Entry, restored_spec
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import DECLINE, LIVE
from titleholder.validation import checks
from titleholder.validation.checks.base import Result
from titleholder.validation.judging import measure
from titleholder.validation.verdict import Measurements, Reign, Verdict
from titleholder.workflow import decision_policy
from titleholder.workflow.payloads import ProposedDecision
from titleholder.workflow.rivals import Line, line_before, on_record
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import Comparison, ScoredComparison, compare, judged_from
from titleholder.workflow.sealed_scores import from_scoring_runs
from titleholder.workflow.trained_versions import TrainedVersion, trained_versions

log = logging.getLogger(__name__)


def follow_head(model: str, *, settings: Settings, registry: Registry) -> bool:
    """Let the alias follow the live lane's head; returns whether it had to be moved.

    Runs that do this at once do it one after the other, so the last of them leaves the alias where the ledger says.
    A model that was retired has no alias. Where there never was a live champion, an alias made by hand is left alone.
    """
    url = settings.ledger_url
    with store.alias_locked(url, model):
        head, alias = store.champion(url, model, LIVE), registry.models.champion(model)
        if head == alias or (head is None and not store.retired(url, model)):
            return False
        registry.models.remove_champion(model) if head is None else registry.models.set_champion(model, head)
        return True


def refuse_retired(model: str, lane: str, record: str) -> None:
    """Raise a UsageError for a live run of a model with a record of its retirement; other lanes may go on."""
    if lane == LIVE and record:
        raise UsageError(
            f"{model} was retired ({record}), so there are no live runs. Switch its DAG off or delete its spec; to use "
            f"it again, make a version champion: titleholder rollback {model} --to VERSION --reason '…'"
        )


def standing(rows: Sequence[LaneEntry], version: int, spec: ModelSpec, answer: Answer | None = None) -> int | None:
    """The id of the decision that stands about this version: under the same thresholds, with no newer answer.

    A version that ever became champion in the live lane is decided for good. Elsewhere no decision stands that a later
    challenger of the same as-of date has replaced, nor one that was judged against another champion than it has now.
    """
    row = reigns.decision_on(rows, version)
    if row is None or (row.lane != LIVE and not _in_force(row, rows)):
        return None
    crowned = row.lane == LIVE and version in reigns.former_champions(rows)
    asked_again = answer is not None and answer.model_dump(mode="json") != row.approval
    same_thresholds = row.judgement_fingerprint == spec.judgement_fingerprint()
    return row.id if crowned or (same_thresholds and not asked_again) else None


def _in_force(row: LaneEntry, rows: Sequence[LaneEntry]) -> bool:
    newest = next(r for r in reversed(rows) if r.as_of == row.as_of)
    reign = reigns.reign_before(rows, row.lane, row.as_of)
    return row.id == newest.id and reigns.fingerprint(reign) == row.reign_fingerprint


class Judge:
    """Gives the verdict on one challenger against any champion; what looks cannot change is computed once."""

    def __init__(self, comparison: Comparison, scorer: Scorer, code: str, decided: Decision | None = None) -> None:
        self._comparison, self._scorer, self._code, self._decided = comparison, scorer, code, decided
        self._known: dict[int | None, tuple[ScoredComparison, Measurements, tuple[Result, ...]]] = {}

    def __call__(self, reign: Reign | None, champion: TrainedVersion | None, line: Line) -> Verdict:
        version = _version(reign)
        if version not in self._known:
            self._known[version] = self._compare(reign, champion)
        scored, measurements, results = self._known[version]
        now = on_record(scored.under(self._comparison.spec, reign), line, self._scorer)
        return from_scoring_runs(now, line, self._scorer).judge(measurements, results)

    def _compare(
        self, reign: Reign | None, champion: TrainedVersion | None
    ) -> tuple[ScoredComparison, Measurements, tuple[Result, ...]]:
        """What the same code has found on the same rows is taken from there, unless another champion changes it."""
        verdict = self._judged_before(reign)
        same = verdict is not None and _version(verdict.champion) == _version(reign)
        known = checks.unaffected_by("reign" if same else "champion", verdict.checks) if verdict else ()
        scored = compare(self._comparison, reign, champion, self._scorer, reload=not known)
        return scored, verdict if verdict and same else measure(scored.evidence), known

    def _judged_before(self, reign: Reign | None) -> Verdict | None:
        """The verdict of the decision on the rows that are judged against this champion, if this code gave it."""
        if self._decided is None or self._decided.code_version != self._code:
            return None
        verdict, rows = self._decided.judged, (judged_from(self._comparison, reign)[0], self._comparison.spans.matured)
        return verdict if (verdict.holdout_start, verdict.holdout_end) == rows else None


def _version(reign: Reign | None) -> int | None:
    return reign.version if reign else None


class Planner:
    """Plans the rows that a proposed decision adds to its lane: itself, then the later months that it changes.

    What was computed for the decision itself is kept for the next plan, should another run overtake this one; what is
    needed of later months is read again, so that no more than one of them is in memory.
    """

    def __init__(self, proposed: ProposedDecision, scorer: Scorer, url: str) -> None:
        self._proposed, self._scorer, self._url = proposed, scorer, url
        self._code = proposed.challenger.snapshot.origin.code_version
        self._judge = Judge(Comparison.of(proposed.challenger), scorer, self._code)

    def plan(self, rows: list[LaneEntry]) -> list[Entry] | int:
        """The entries to write behind these rows, or the id of the decision that stands already."""
        proposed, snapshot = self._proposed, self._proposed.challenger.snapshot
        stands = standing(rows, proposed.challenger.version, snapshot.spec, proposed.answer)
        if stands is not None:
            return stands
        refuse_retired(snapshot.model, snapshot.lane, reigns.retirement(rows))
        decision = self._decision(rows)
        return [decision, *(self._rejudged(rows, decision) if snapshot.lane != LIVE else ())]

    def _decision(self, rows: list[LaneEntry]) -> Entry:
        proposed, challenger, snapshot = self._proposed, self._proposed.challenger, self._proposed.challenger.snapshot
        spec, reign = snapshot.spec, reigns.reign_before(rows, snapshot.lane, snapshot.as_of)
        verdict = proposed.verdict
        if reign != verdict.champion:
            line = line_before(rows, snapshot.lane, snapshot.as_of, reign, snapshot.spans.holdout_start, self._url)
            verdict = self._judge(reign, champion_of(rows, reign, self._url), line)
        ruling = rule(spec, verdict, snapshot.as_of, challenger.trained_through, snapshot.lane, rows)
        if ruling.kind == "ask" or proposed.answer:
            by_anybody = snapshot.origin.requesters is None
            ruling = decision_policy.answered(ruling, proposed.answer, _since(rows, proposed), by_anybody=by_anybody)
        return Entry(
            model=snapshot.model,
            lane=snapshot.lane,
            as_of=snapshot.as_of,
            kind=ruling.kind,
            challenger_version=challenger.version,
            champion_before=_version(reign),
            champion_after=champion_after(ruling.kind, challenger.version, verdict),
            trained_through=challenger.trained_through,
            training_run_id=challenger.nominee.run_id,
            nominees=challenger.ranking,
            run_key=snapshot.key,
            snapshot_uri=snapshot.uri,
            snapshot_sha256=snapshot.sha256,
            spec=spec.model_dump(mode="json"),
            spec_fingerprint=spec.fingerprint(),
            judgement_fingerprint=spec.judgement_fingerprint(),
            reign_fingerprint=reigns.fingerprint(reign),
            verdict=verdict,
            spans=snapshot.spans,
            code_version=self._code,
            seed=spec.training.seed,
            mlflow_run_id=snapshot.run_id,
            airflow_run=snapshot.origin.airflow_run,
            actor=snapshot.origin.actor,
            reason=ruling.reason,
            asked_because=snapshot.origin.reason,
            approval=proposed.answer,
        )

    def _rejudged(self, rows: list[LaneEntry], decision: Entry) -> Iterator[Entry]:
        """Later months of a lane whose champion, or its evidence, is another one now. Nothing is trained.

        A month that cannot be judged against its new champion (its snapshot is gone, or lacks what the champion needs)
        stays as it was, and so do those after it, until it is run again.
        """
        planned = [*rows, LaneEntry.planned(decision, rows)]
        for row in [r for r in reigns.in_force(rows, decision.lane) if r.as_of > decision.as_of]:
            reign = reigns.reign_before(planned, row.lane, row.as_of)
            if reigns.fingerprint(reign) == row.reign_fingerprint:
                continue
            try:
                entry = self._rejudge(row, reign, planned)
            except DataError as error:
                log.warning("%s, lane %s: %s stays until it is run again: %s", row.model, row.lane, row.as_of, error)
                continue
            planned.append(LaneEntry.planned(entry, planned))
            yield entry

    def _rejudge(self, row: LaneEntry, reign: Reign | None, planned: list[LaneEntry]) -> Entry:
        decided = store.decision(self._url, row.id)
        judge = Judge(Comparison.behind(decided), self._scorer, self._code, decided)
        line = line_before(planned, row.lane, row.as_of, reign, decided.windows.holdout_start, self._url)
        verdict = judge(reign, champion_of(planned, reign, self._url), line)
        changed = rejudgement(decided, restored_spec(decided.id, decided.spec), verdict, planned, row.lane)
        entry = decided.model_dump(include=set(Entry.model_fields)) | changed | {"code_version": self._code}
        return Entry.model_validate(entry)


def rule(
    spec: ModelSpec,
    verdict: Verdict,
    as_of: date,
    trained_through: date | None,
    lane: str,
    rows: Sequence[reigns.Row],
) -> decision_policy.Ruling:
    """The policy's ruling in a lane with these rows."""
    newest = max((r.as_of for r in rows), default=None)
    barred = reigns.bar(rows, trained_through) if trained_through else ""
    recall_barred = reigns.recall_bar(rows, verdict.recall.version) if verdict.recall else ""
    bars = {"barred": barred, "recall_barred": recall_barred}
    return decision_policy.rule(spec, verdict, as_of=as_of, lane=lane, newest=newest, **bars)


def rejudgement(
    row: Decision, spec: ModelSpec, verdict: Verdict, rows: Sequence[reigns.Row], lane: str
) -> dict[str, Any]:
    """What changes of a decision with a new verdict, after these rows of a lane and under this spec."""
    ruling = rule(spec, verdict, row.as_of, row.trained_through, lane, rows)
    reign = verdict.champion
    return {
        "kind": ruling.kind,
        "champion_before": _version(reign),
        "champion_after": champion_after(ruling.kind, row.challenger_version, verdict),
        "reign_fingerprint": reigns.fingerprint(reign),
        "verdict": verdict,
        "reason": ruling.reason,
    }


def champion_of(rows: Sequence[LaneEntry], reign: Reign | None, url: str) -> TrainedVersion | None:
    """The champion with the run and the spec by which it was trained."""
    row = reigns.decision_on(rows, reign.version) if reign else None
    if row is None or reign is None:
        return None
    return trained_versions([row], url)[0]


def crowned(rows: Sequence[LaneEntry], reign: Reign | None, url: str) -> Decision | None:
    """The decision that promoted the champion; None where there is no champion."""
    found = reigns.decision_on(rows, reign.version) if reign else None
    return store.decision(url, found.id) if found else None


def _since(rows: Sequence[LaneEntry], proposed: ProposedDecision) -> str:
    """What voids an answer: a change of champion, or a challenger no older, decided after people were asked."""
    as_of = proposed.challenger.snapshot.as_of
    later = [r for r in rows if r.sequence > proposed.head and (r.as_of >= as_of or r.changed) and r.kind != DECLINE]
    if not later:
        return ""
    last = later[-1]
    if last.kind == "rollback":
        return f"version {last.champion_before} was rolled back to version {last.champion_after} since"
    if last.kind == "withdraw":
        return "the model was retired since"
    if last.kind == "recall":
        return f"version {last.champion_after} was recalled as of {last.as_of} since"
    return f"version {last.challenger_version}, as of {last.as_of}, was decided since ({last.kind})"


def champion_after(kind: str, challenger: int | None, verdict: Verdict) -> int | None:
    """The champion after a decision of this kind with this verdict."""
    if kind == "promote":
        return challenger
    if kind == "recall" and verdict.recall:
        return verdict.recall.version
    return verdict.champion.version if verdict.champion else None
