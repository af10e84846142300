"""The steps of a retrain by name, from JSON to JSON: what a container, a batch job or another machine runs one of.

What a step returns, as JSON, is the payload of the next one: `extract` gives a snapshot, `train` a candidate,
`nominate` a challenger, `validate` a proposed decision, `promote` the decision's summary. `train` takes the snapshot
together with the name of a candidate, `nominate` the list of candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError, field_validator

from titleholder.errors import UsageError
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import (
    Challenger,
    Origin,
    Payload,
    ProposedDecision,
    Snapshot,
    TrainedCandidate,
)
from titleholder.workflow.publication import summary

OnTrial = Callable[[int, int], None]


class Order(Payload):
    """What no step returns: what a person or a scheduler asks for. An unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExtractOrder(Order):
    """Which model to look at the world for, and from which date."""

    model: str
    spec: ModelSpec | None = None
    """As a snapshot carries it; what the folder of models says, where it is left out."""
    as_of: date
    lane: str
    candidates: tuple[str, ...] = ()
    """All of the spec, where none are named."""
    origin: Origin

    @field_validator("spec", mode="before")
    @classmethod
    def _as_a_snapshot_has_it(cls, value: Any) -> Any:
        return ModelSpec.restore(value) if isinstance(value, dict) else value


class TrainOrder(Order):
    """Which candidate to train on a snapshot."""

    snapshot: Snapshot
    name: str


class ReportOrder(Order):
    """About which decision to report, by its id in the ledger."""

    id: int
    origin: Origin


class Verb(NamedTuple):
    """A step: what it takes, and what does it."""

    takes: Any
    does: Callable[[Any, Settings, OnTrial | None], Payload | dict[str, Any]]


def _extract(order: ExtractOrder, settings: Settings, _: OnTrial | None) -> Snapshot:
    spec = order.spec or load_specs(only=order.model)[order.model]
    url = connection_url(spec.source.connection)
    chosen, origin = order.candidates, order.origin
    return steps.extract(spec, order.as_of, order.lane, url=url, candidates=chosen, origin=origin, settings=settings)


def _report(order: ReportOrder, settings: Settings, _: OnTrial | None) -> dict[str, Any]:
    steps.report(order.id, origin=order.origin, settings=settings)
    return {"id": order.id}


VERBS = {
    "extract": Verb(ExtractOrder, _extract),
    "train": Verb(TrainOrder, lambda it, known, on: steps.train(it.snapshot, it.name, settings=known, on_trial=on)),
    "nominate": Verb(list[TrainedCandidate], lambda trained, known, _: steps.nominate(trained, settings=known)),
    "validate": Verb(Challenger, lambda challenger, known, _: steps.propose(challenger, settings=known)),
    "promote": Verb(ProposedDecision, lambda proposed, known, _: summary(steps.promote(proposed, settings=known))),
    "report": Verb(ReportOrder, _report),
}
"""In the order of a retrain."""


def perform(name: str, payload: bytes, *, settings: Settings, on_trial: OnTrial | None = None) -> dict[str, Any]:
    """Run one step from the JSON text of its payload; what it returns can be written as JSON.

    Raises:
        UsageError: there is no such step, or the payload is not what it takes; every fault is named.
        TitleholderError: as the step says, see `steps`.
    """
    if name not in VERBS:
        raise UsageError(f"no step {name!r}; the steps are {', '.join(VERBS)}")
    verb = VERBS[name]
    try:
        taken = TypeAdapter(verb.takes).validate_json(payload)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'the text'}: {fault['msg']}" for fault in error.errors()]
        raise UsageError(f"{name}: the payload is not what this step takes: {'; '.join(faults[:20])}") from None
    done = verb.does(taken, settings, on_trial)
    return done if isinstance(done, dict) else done.model_dump(mode="json")
