"""What each step is given where it runs elsewhere, as JSON: of the arguments of its task, and of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import resolve_as_of
from titleholder.workflow.payloads import ProposedDecision
from titleholder.workflow.verbs import ExtractOrder, ReportOrder
from titleholder_airflow import bundles, forms, wanted
from titleholder_airflow.tasks import origin

log = logging.getLogger(__name__)


def extract(model: str, models: str, context: Any) -> tuple[ModelSpec, ExtractOrder]:
    """The spec as it is now, and what a run is about: by its form, its kind and its dates."""
    run, form = context["dag_run"], context["params"]
    spec = load_specs(Path(models), only=model)[model]
    forms.refuse_unknown(run.conf, forms.retrain(spec))
    backfill = run.run_type == "backfill"
    if backfill:
        forms.refuse_in_backfill(form)
    order = ExtractOrder(
        model=model,
        spec=spec,
        as_of=resolve_as_of(form["as_of"], run.data_interval_end, run.run_after),
        lane=forms.lane(form, backfill=backfill),
        candidates=forms.candidates(spec, form),
        origin=wanted.origin(origin(context), model, run),
    )
    return spec, order


def switched_off(snapshot: dict[str, Any], name: str) -> bool:
    """Whether the form switched this candidate off."""
    off = name not in snapshot["candidates"]
    if off:
        log.info("%s is switched off in this run: nothing is trained.", name)
    return off


def _train(snapshot: dict[str, Any], name: str, _: Any) -> dict[str, Any] | None:
    return None if switched_off(snapshot, name) else {"snapshot": snapshot, "name": name}


def _promote(proposed: dict[str, Any], context: Any) -> dict[str, Any]:
    bundles.refuse_changed(ProposedDecision.model_validate(proposed), context["ti"])
    return proposed


def _report(decision: dict[str, Any], context: Any) -> dict[str, Any]:
    return ReportOrder(id=decision["id"], origin=origin(context)).model_dump(mode="json")


ORDERS: dict[str, Callable[..., Any]] = {
    "extract": lambda model, models, context: extract(model, models, context)[1].model_dump(mode="json"),
    "train": _train,
    "nominate": lambda candidates, _: [candidate for candidate in candidates if candidate],
    "validate": lambda challenger, _: challenger,
    "promote": _promote,
    "report": _report,
}
