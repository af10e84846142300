"""What a training task made, as it recorded it itself beside the scores of the training.

A second try takes this record, never what MLflow says: whoever writes to MLflow could offer another model there.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from titleholder.data.scores import ScoreStore
from titleholder.errors import DataError
from titleholder.ledger import store
from titleholder.ledger.decision import restored_spec
from titleholder.ledger.nominee import Nominee
from titleholder.registry import names
from titleholder.workflow.payloads import Snapshot
from titleholder.workflow.trained_versions import training_keys


class TrainingRecord(BaseModel):
    """The key of a training, the candidate with the SHA-256 of its models' files, and its score on its folds."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    key: str
    nominee: Nominee
    score: float


def run_key(snapshot: Snapshot, name: str) -> str:
    """The key of a candidate's training, which its run in MLflow has as a tag."""
    return f"{snapshot.key}:{name}"


def read(snapshot: Snapshot, name: str, run_id: str, scores: ScoreStore) -> TrainingRecord | None:
    """What this training made in an earlier try; None where that, or any scores of the training, are lost.

    Raises:
        DataError: where the run is that of another training: somebody has changed its key in MLflow.
        ServiceError: when the place cannot be read now.
    """
    noted = [scores.training_note(key) for key in training_keys(snapshot.spec, run_id, snapshot.sha256)]
    if not noted[0] or None in noted:
        return None
    record = TrainingRecord.model_validate_json(noted[0])
    if record.key != run_key(snapshot, name):
        raise DataError(
            f"{snapshot.model} as of {snapshot.as_of} ({snapshot.lane}), {name}: MLflow gives run {run_id}, which made "
            f"another training, {record.key}. Somebody has changed its tag {names.KEY}: set it to {record.key} again, "
            "and run the as-of date again"
        )
    return record


def decided(snapshot: Snapshot, run_id: str, url: str) -> Nominee | None:
    """The candidate of this run as a decision of the ledger has it; None where nothing was decided about it."""
    lane = store.read_lane(url, snapshot.model, snapshot.lane)
    same = [row.id for row in lane if row.as_of == snapshot.as_of]
    for row in store.decisions(url, same) if same else ():
        found = next((nominee for nominee in row.nominees if nominee.run_id == run_id), None)
        if found is None or row.snapshot_sha256 != snapshot.sha256:
            continue
        if restored_spec(row.id, row.spec).training_fingerprint() == snapshot.spec.training_fingerprint():
            return found
    return None
