"""Points at which a test holds a task of the real Airflow, and a clock that it shifts: installed in what forks tasks.

Tasks are forked from the scheduler, or from a Celery worker, and inherit both. A run is known by the reason that its form was given. Where the
folder TITLEHOLDER_TEST_HOLDS has a file `<reason>.<point>`, the task writes its process id to `<reason>.<point>.reached`
and waits until the first file is gone. A file `<reason>.clock` has the seconds by which the clock of its tasks is wrong.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from titleholder.ledger import store
from titleholder.registry.models import Models
from titleholder.registry.runs import Runs
from titleholder.training import search
from titleholder.workflow import steps

FOLDER = "TITLEHOLDER_TEST_HOLDS"
STEPS = ("extract", "train", "nominate", "validate", "promote", "report")
BEFORE = {
    "extract": ("extract", Runs, "log_dataset"),  # the snapshot is stored, and the MLflow run is open
    "fit": ("train", search, "fit"),
    "train": ("train", Models, "log"),  # fitted, nothing of it stored
    "validate": ("validate", Runs, "attach"),  # judged
    "report": ("report", Runs, "attach"),
}
AFTER = {
    "nominate": ("nominate", Models, "register"),  # the version is there
    "promote": ("promote", store, "append"),  # the row is committed, the alias not moved
}
_current = {"step": "", "reason": ""}


def install() -> None:
    """Wrap the steps, and what a point is in."""
    for step in STEPS:
        setattr(steps, step, _noted(step, getattr(steps, step)))
    for point, (step, owner, name) in {**BEFORE, **AFTER}.items():
        setattr(owner, name, _held(point, step, getattr(owner, name), before=point in BEFORE))


def _noted(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        _current.update(step=step, reason=_reason(*args[:1], **kwargs))
        clock = _file("clock")
        if clock.exists():
            ctypes.CDLL(None).shift_clock(int(clock.read_text()))
        return function(*args, **kwargs)

    return noted


def _reason(payload: Any = None, origin: Any = None, **_: Any) -> str:
    """Why people started the run, which every payload of a step carries."""
    while origin is None:
        payload = payload[0] if isinstance(payload, list) else payload
        origin = getattr(payload, "origin", None)
        payload = getattr(payload, "snapshot", None) or getattr(payload, "challenger", None)
    return str(origin.reason)


def _held(point: str, step: str, function: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def held(*args: Any, **kwargs: Any) -> Any:
        if before:
            _hold(point, step)
        found = function(*args, **kwargs)
        if not before:
            _hold(point, step)
        return found

    return held


def _hold(point: str, step: str) -> None:
    wanted = _file(point)
    if _current["step"] != step or not wanted.exists():
        return
    written = wanted.with_name(f"{wanted.name}.{os.getpid()}")
    written.write_text(str(os.getpid()))
    written.rename(f"{wanted}.reached")
    while wanted.exists():
        time.sleep(0.02)


def _file(kind: str) -> Path:
    return Path(os.environ[FOLDER]) / f"{_current['reason']}.{kind}"
