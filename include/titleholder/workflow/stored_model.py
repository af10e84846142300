"""Whether a version's model in MLflow is still the one that was trained: its files, and what it scores."""

from __future__ import annotations

import json

from titleholder.data import snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.ledger.integrity import Row
from titleholder.ledger.nominee import Nominee
from titleholder.registry.client import Registry
from titleholder.registry.model_files import differing
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals
from titleholder.validation.checks.model_contract import compare_scores
from titleholder.workflow.scorer import RELOADED_ROWS, Scorer
from titleholder.workflow.trained_versions import TrainedVersion


def _nominee(row: Row) -> Nominee:
    nominees = [Nominee.model_validate(nominee) for nominee in json.loads(row["nominees"])]
    return next(nominee for nominee in nominees if nominee.run_id == row["training_run_id"])


def files_differ(row: Row, version: int, registry: Registry) -> str:
    """How the files that consumers of a version are given differ from those that were logged; empty where not."""
    nominee = _nominee(row)
    if (source := registry.models.source(row["model"], version)) != nominee.model.uri:
        return f"MLflow gives {source} for it, and it was registered as {nominee.model.uri}"
    for logged in nominee.models:
        if changed := differing(registry.models.files(logged.uri), logged.sha256):
            return f"of its files at {logged.uri}, {', '.join(changed)} are not what was logged"
    return ""


def scores_differ(row: Row, version: int, scorer: Scorer) -> str:
    """How the model's scores, or its twin's, differ from those stored at its training; empty where they do not."""
    spec, spans = ModelSpec.restore(json.loads(row["spec"])), Intervals.model_validate_json(row["spans"])
    with snapshots.opened(row["snapshot_uri"], row["snapshot_sha256"]) as extract:
        columns = spec.columns
        trained_on = extract.positions(columns.event_time, end=spans.holdout_start, where=columns.accepted)
        first = LazyFrame(extract, trained_on[:RELOADED_ROWS])
        for trained in TrainedVersion(version, _nominee(row), spec).models:
            stored = scorer.recorded(trained, first)
            if stored is None:
                path = trained.key(row["snapshot_sha256"]).training_path
                return f"the scores stored at its training ({path}) are gone or damaged"
            reloaded = scorer.predict(trained, first)
            found = compare_scores(stored, reloaded, spec.judgement.checks.reload.tolerance)
            if found.status == "fail":
                return f"of the model before the refit, {found.explanation}" if trained.is_twin else found.explanation
    return ""
