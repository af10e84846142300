"""All checks, one after the other: what one of them meets stops none of the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from titleholder.errors import ServiceError, TitleholderError, UsageError, one_line
from titleholder.settings import SIGNING_KEY
from titleholder.workflow.doctor import environment, ledger, store, tracking, warehouse
from titleholder.workflow.doctor.report import Check, Report
from titleholder.workflow.doctor.services import MLFLOW, SERVICES, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titleholder.spec.model import ModelSpec

REFUSED = re.compile(r"authentication failed|not permitted|denied|does not exist|no pg_hba.conf entry|refuses MLFLOW")
"""What a service says that answers, and refuses."""
Looks = Callable[[], Iterator[Check]]


def examine(service: str, *, on_step: Callable[[str], None] = lambda _: None) -> Report:
    """Look at everything that a service needs, in the environment of this process.

    The file `doctor/titleholder-doctor.txt` is written below the snapshots; nothing else is changed.

    Raises:
        UsageError: there is no such service.
    """
    if service not in SERVICES:
        raise UsageError(f"--service: {service!r} is none of {', '.join(SERVICES)}")
    checks: list[Check] = []
    for name, look in _looks(SERVICES[service]):
        on_step(name)
        checks += _guarded(name, look)
    return Report(service=service, checks=tuple(checks))


def _looks(service: Service) -> Iterator[tuple[str, Looks]]:
    yield "versions", environment.versions
    yield "variables", partial(environment.variables, service)
    if not service.variables:
        return
    if service.reads_models:
        yield "models", environment.models
    yield "ledger", partial(ledger.ledger, service)
    yield "ledger: owner", ledger.owner
    if MLFLOW in service.variables:
        yield "MLflow", partial(tracking.tracking, service)
    if service.extracts:
        yield "snapshots", store.store
        for name, tables in warehouse.connections(_specs()).items():
            yield f"connection {name}", partial(warehouse.connection, name, tables)
    if SIGNING_KEY in service.variables:  # where tasks run
        yield "preload", environment.preload


def _specs() -> Mapping[str, ModelSpec]:
    from titleholder.spec.loader import load_specs

    try:
        return load_specs().models
    except TitleholderError:
        return {}


def _guarded(name: str, look: Looks) -> Iterator[Check]:
    """What a look yields; an error is a result like any other."""
    try:
        yield from look()
    except ServiceError as error:
        refused = REFUSED.search(str(error)) is not None
        remedy = "Correct its address, login and rights" if refused else "Start it, or correct its address"
        yield Check(name=name, state="wrong", found=str(error).rstrip("."), remedy=remedy, down=not refused)
    except Exception as error:  # whatever a library raises: the other checks go on
        found = str(error) if isinstance(error, TitleholderError) else f"{type(error).__name__}: {one_line(error)}"
        yield Check(name=name, state="wrong", found=found, remedy="Correct what the message names; then look again")
