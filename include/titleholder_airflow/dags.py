"""The DAGs of every model of a folder, and the import errors of those whose spec is broken."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, dag, get_parsing_context, task

from titleholder.errors import SpecError, one_line
from titleholder.spec.loader import Specs, load_specs, models_folder
from titleholder_airflow import forms, monitor, retrain, rollback, score
from titleholder_airflow.placement import IN_TASK, placement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec

LOG = logging.getLogger(__name__)
BUILDERS = {"retrain": retrain.build, "rollback": rollback.build, "score": score.build, "monitor": monitor.build}
"""Those of `score` and `monitor` build none for a model whose spec has no such section."""


def build_dags(
    namespace: MutableMapping[str, Any],
    models: str | Path | None = None,
    *,
    run_in: str = IN_TASK,
    pod: Mapping[str, Any] | None = None,
) -> None:
    """Put `<model>.retrain`, `.rollback`, `.score` and `.monitor` of every spec into a DAG file's `globals()`.

    `models` is the folder of specs; None means `TITLEHOLDER_MODELS`, else `include/models` of a clone. The process of a
    task builds only the DAG that it runs. Broken specs are logged and leave the other models working;
    `report_missing_dags` in a second file shows them in Airflow. In place of a DAG that cannot be built stands one
    whose runs fail with the reason.

    `run_in` says where the steps of a retrain run: "task", in the process of their Airflow task, or "pod", each in a
    Kubernetes pod that is made with the arguments `pod` of a `KubernetesPodOperator` (docs/run-a-step-anywhere.md).

    Raises:
        UsageError: there is no such folder, or no such place.
        SpecError: no spec in it can be read.
    """
    folder = _folder(models)
    place = placement(run_in, pod)
    builders = BUILDERS if run_in == IN_TASK else BUILDERS | {"retrain": partial(retrain.build, place=place)}
    model, kind = _requested()
    specs = load_specs(folder, only=model)
    if specs.errors and not specs.models:
        raise _together(specs)
    for error in specs.errors.values():
        LOG.error("No DAG is built: %s", error)
    # A task's process offers no list: Airflow checks the run's form against the DAG that this process builds, and the
    # version that a rollback has just made champion is no choice any more. The run could not be retried.
    reigns = None if model else forms.reigns(specs.models)
    for name, spec in specs.models.items():
        for own, build in builders.items():
            if kind in (None, own) and (
                made := _built(build, f"{name}.{own}", spec, folder, reigns[name] if reigns else None)
            ):
                namespace[f"{name}_{own}"] = made


def _built(
    build: Callable[..., DAG | None], dag_id: str, spec: ModelSpec, folder: Path, reigns: Sequence[ReignRecord] | None
) -> DAG | None:
    """The DAG, or where it cannot be built one that says why: an exception here would stop all models."""
    try:
        built = build(spec, folder, reigns)
        if built is not None:
            built.validate()  # type: ignore[no-untyped-call]
    except Exception as error:
        LOG.exception("%s cannot be built", dag_id)
        return _refusal(dag_id, f"{dag_id} cannot be built from its spec: {type(error).__name__}: {one_line(error)}")
    return built


def _refusal(dag_id: str, message: str) -> DAG:
    """A DAG that shows a message (as code: it is no markup), and whose runs fail with it."""

    @dag(dag_id=dag_id, description=message, doc_md=f"    {message}", schedule=None, tags=["titleholder", "broken"])
    def refused() -> None:
        @task
        def refuse() -> None:
            raise SpecError(message)

        refuse()

    return refused()


def report_missing_dags(models: str | Path | None = None) -> None:
    """Fail the import of a DAG file while a spec in the folder is broken, with the message of each.

    Call it in a file of its own. Airflow drops every DAG of a file that has an import error, so in the file of
    `build_dags` one broken spec would stop all models.

    Raises:
        UsageError: there is no such folder.
        SpecError: with what is wrong in each broken spec.
    """
    if (specs := load_specs(_folder(models))).errors:
        raise _together(specs)


def _together(specs: Specs) -> SpecError:
    return SpecError("\n\n".join(str(error) for error in specs.errors.values()))


def _folder(models: str | Path | None) -> Path:
    return models_folder(Path(models) if models else None)


def _requested() -> tuple[str | None, str | None]:
    """The one model and kind of DAG that this process needs; None and None when it needs all."""
    requested = get_parsing_context().dag_id
    if not requested:
        return None, None
    model, _, kind = requested.rpartition(".")
    return model or requested, kind
