"""Steps of a retrain for tests: of a spec or by a model's name, on behalf of a tester."""

from __future__ import annotations

from datetime import date

from mlflow import MlflowClient

from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import Challenger, Origin, Snapshot

TESTER = Origin(actor="tester")


def extract(model: str | ModelSpec, as_of: date, lane: str, settings: Settings, **options: object) -> Snapshot:
    options = {"url": connection_url("warehouse"), "origin": TESTER, **options}
    spec = model if isinstance(model, ModelSpec) else load_specs(only=model)[model]
    return steps.extract(spec, as_of, lane, settings=settings, **options)  # type: ignore[arg-type]


def challenge(model: str | ModelSpec, as_of: date, lane: str, settings: Settings, **options: object) -> Challenger:
    """The challenger of a month: its scorecard, which is the quickest to train, unless `candidates` names others."""
    snapshot = extract(model, as_of, lane, settings, **{"candidates": ("scorecard",), **options})
    return steps.nominate([steps.train(snapshot, n, settings=settings) for n in snapshot.candidates], settings=settings)


def in_lane(challenger: Challenger, lane: str) -> Challenger:
    """The same challenger in another lane, where nothing has to be trained for it."""
    return challenger.model_copy(update={"snapshot": challenger.snapshot.model_copy(update={"lane": lane})})


def settle(challenger: Challenger, settings: Settings) -> Decision:
    """From the challenger to the decision, without a report."""
    return steps.promote(steps.propose(challenger, settings=settings), settings=settings)


def retrain(
    model: str | ModelSpec, as_of: date, lane: str, settings: Settings, *, report: bool = False, **options: object
) -> Decision:
    """The whole retrain; with `report` the model card is drawn too."""
    challenger = challenge(model, as_of, lane, settings, **options)
    decision = settle(challenger, settings)
    if report:
        steps.report(decision.id, origin=challenger.snapshot.origin, settings=settings)
    return decision


def in_force(model: str, lane: str, settings: Settings) -> list[Decision]:
    return reigns.in_force(store.read(settings.ledger_url, model, lane), lane)


def reported(rows: list[Decision], settings: Settings) -> list[list[str]]:
    """The decisions that MLflow has written to these rows' versions and runs, and attached to them."""
    client, found = MlflowClient(settings.tracking_uri), []
    for row in rows:
        version = client.get_model_version(row.model, str(row.challenger)).tags
        run = client.get_run(row.mlflow_run_id).data.tags
        found.append(
            [version["titleholder.decision"], version.get("titleholder.reported", ""), run["titleholder.decision"]]
        )
    return found
