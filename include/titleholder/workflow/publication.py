"""What is written to MLflow about a decision, after it was made: tags, notes and the model card."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from titleholder import reports
from titleholder.errors import TitleholderError
from titleholder.ledger import reports as recorded
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.plain_text import link, markdown
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.model_files import sha256_of
from titleholder.spec.types import LIVE
from titleholder.spec.windows import Intervals
from titleholder.workflow import model_card
from titleholder.workflow.payloads import Origin
from titleholder.workflow.promotion import champion_of, crowned
from titleholder.workflow.scorer import Scorer

log = logging.getLogger(__name__)
AIRFLOW = "Airflow run"
ATTEMPTS = 20
"""How often a version is written about again because another run has re-judged it meanwhile."""
PATIENCE, PAUSE = 180, 3.0
"""Seconds that a run waits for others of its lane before it writes about re-judged months, and between two looks."""
KILLED_AFTER = 24 * 60 * 60
"""Seconds after which a run that is still open counts as killed: MLflow has it as under way for ever."""


def publish(decision: Decision, scorer: Scorer, origin: Origin, url: str) -> None:
    """Write a decision to MLflow; the run that decided last in its lane also writes the months that were re-judged.

    That run waits until no other run of the lane is under way, which would re-judge them again. What other runs have
    left is written too. `origin` is that of this run.

    Raises:
        TitleholderError: the first that a month raised, after all others were written.
    """
    failed: list[TitleholderError] = []
    rows = store.read_lane(url, decision.model, decision.lane)

    def write(row: Decision) -> None:
        try:
            _publish_newest(row, rows, scorer, origin, url)
        except TitleholderError as error:  # its snapshot may be gone, which is no reason to leave the others
            failed.append(error)

    if decision.caused_by is not None or _newest(rows)[decision.challenger].caused_by is None:
        write(decision)
    tried: set[int] = set()
    until = None
    while decision.id == max(row.id for row in rows if row.caused_by is None):
        waiting = [row.id for row in _not_written(rows, scorer.registry) if row.id not in tried]
        if not waiting:
            break
        if (until is None or time.monotonic() < until) and _under_way(decision, scorer.registry):
            if until is None:
                until = time.monotonic() + PATIENCE
                log.info(
                    "%s, lane %s: %s re-judged months wait for other runs", decision.model, decision.lane, len(waiting)
                )
            time.sleep(PAUSE)
        else:
            tried.add(waiting[0])
            write(store.decision(url, waiting[0]))
        rows = store.read_lane(url, decision.model, decision.lane)
    if failed:
        raise failed[0]


def _under_way(decision: Decision, registry: Registry) -> bool:
    return registry.runs.under_way(decision.model, decision.lane, since=time.time() - KILLED_AFTER)


def _newest(rows: Sequence[LaneEntry]) -> dict[int, LaneEntry]:
    """The newest row about each version."""
    return {row.challenger_version: row for row in rows if row.challenger_version is not None}


def _not_written(rows: Sequence[LaneEntry], registry: Registry) -> list[LaneEntry]:
    """The months of a lane that were re-judged and are not in MLflow as they are now, the oldest first."""
    rejudged = {version: row for version, row in _newest(rows).items() if row.caused_by is not None}
    if not rejudged:
        return []
    tags = registry.models.tags_in_lane(rows[0].model, rows[0].lane)
    found = [row for version, row in rejudged.items() if version in tags and not _is_written(row.id, tags[version])]
    return sorted(found, key=lambda row: row.as_of)


def _publish_newest(row: Decision, rows: list[LaneEntry], scorer: Scorer, origin: Origin, url: str) -> None:
    """Write about a version until what was written is the newest decision: another run may re-judge it meanwhile."""
    for _ in range(ATTEMPTS):
        newest = store.newest_about(url, row.model, row.lane, row.challenger)
        if newest is not None and newest != row.id:
            row, rows = store.decision(url, newest), store.read_lane(url, row.model, row.lane)
        if _is_written(row.id, scorer.registry.models.tags(row.model, row.challenger)):
            return
        links = _links(row, scorer.registry, origin)
        _annotate(row, scorer.registry, links)
        _annotate_recalled(row, scorer.registry)
        champion = champion_of(rows, row.judged.champion, url)
        card = model_card.draw(row, champion, crowned(rows, row.judged.champion, url), scorer, links)
        attach({names.card(row.id): card}, row.model, row.lane, row.mlflow_run_id, scorer.registry, url, row.id)
        scorer.registry.models.set_tags(row.model, row.challenger, {names.REPORTED: str(row.id)})
    log.warning("%s: version %s is re-judged faster than it can be written about", row.model, row.challenger_version)


def attach(
    texts: Mapping[str, str],
    model: str,
    lane: str,
    run_id: str,
    registry: Registry,
    url: str,
    decision: int | None = None,
) -> None:
    """Log reports as artifacts of a run, by file name, after the ledger has the SHA-256 of each.

    In this order, a report that people are shown always has a record, wherever this is interrupted.
    """
    sha256 = {name: sha256_of(content.encode()) for name, content in texts.items()}
    recorded.add(url, model, lane, run_id, sha256, decision)
    registry.runs.attach(run_id, texts)


def _is_written(decision: int, tags: Mapping[str, str]) -> bool:
    """Whether all of this was written about a decision, and nothing about another one since; by a version's tags."""
    return tags.get(names.DECISION) == tags.get(names.REPORTED) == str(decision)


def _annotate(row: Decision, registry: Registry, links: Mapping[str, str]) -> None:
    """Tags and notes of the run and the version; they need no model and no picture."""
    card = {"Model card": registry.runs.artifact_url(row.mlflow_run_id, names.card(row.id))}
    note = f"{linked({**card, **links})}\n\n{reports.markdown(model_card.facts(row, registry), row.judged)}"
    registry.runs.attach(row.mlflow_run_id, texts={names.DECISION_NOTE: note})
    registry.runs.annotate(row.mlflow_run_id, tags=decision_tags(row, row.kind), note=note)
    described = description(row.judged.candidate, row.as_of, row.lane, row.refitted, row.windows, links)
    verdict = "keep" if row.kind == "recall" else row.kind  # of the challenger, which did not become champion
    registry.models.set_tags(row.model, row.challenger, decision_tags(row, verdict), described)


def _annotate_recalled(row: Decision, registry: Registry) -> None:
    """Tags of the version that the live lane recalled, unless a later decision about it was written there."""
    if row.kind != "recall" or row.lane != LIVE or row.champion_after is None:
        return
    written = registry.models.tags(row.model, row.champion_after).get(names.DECISION, "0")
    if int(written) <= row.id:
        registry.models.set_tags(row.model, row.champion_after, decision_tags(row, "recalled"))


def _links(row: Decision, registry: Registry, origin: Origin) -> dict[str, str]:
    """Where people see the Airflow run that wrote the row, and the decision's page; empty where that is not known."""
    run = origin.url
    if row.airflow_run != origin.airflow_run:  # an earlier run wrote it
        known = registry.models.tags(row.model, row.challenger)
        run = known.get(names.AIRFLOW_URL, "") if known.get(names.AIRFLOW_RUN) == row.airflow_run else ""
    return {AIRFLOW: run, f"Decision {row.id}": f"{origin.decisions}{row.id}" if origin.decisions else ""}


def linked(links: Mapping[str, str]) -> str:
    """Links by label as one line of Markdown; those without an address are left out."""
    return " · ".join(link(label, url) for label, url in links.items() if url)


def run_note(model: str, as_of: date, lane: str, origin: Origin, remark: str = "") -> str:
    """The description of a run before anything was decided."""
    parts = (f"Retrains {model} as of {as_of} (lane {lane}).", markdown(remark), linked({AIRFLOW: origin.url}))
    return " ".join(filter(None, parts))


def description(candidate: str, as_of: date, lane: str, refit: bool, spans: Intervals, links: Mapping[str, str]) -> str:
    """The description of a version: how it came about, and where to see more."""
    trained = f"trained on rows before {spans.holdout_start}"
    if refit:
        trained = f"refitted on rows before {spans.matured}, and judged before the refit, {trained}"
    trial = "" if lane == LIVE else f"Trial in lane {lane}, never in use. "
    return f"{trial}{candidate} as of {as_of} ({lane}), {trained}. {linked(links)}".strip()


def decision_tags(row: Decision, verdict: str) -> dict[str, str]:
    """A decision as tags; the hash makes MLflow a witness of the ledger, see `titleholder.workflow.audit`."""
    return names.tags(verdict=verdict, decision=row.id, decision_hash=row.hash, reason=row.reason)


def summary(row: Decision) -> dict[str, Any]:
    """A decision as later tasks and the links of a task need it: small, and no word that people are shown."""
    fields = {"id", "model", "lane", "sequence", "as_of", "kind", "mlflow_run_id"}
    return row.model_dump(mode="json", include=fields | {"challenger_version", "champion_before", "champion_after"})
