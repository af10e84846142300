"""One retrain in this process, without Airflow: all steps, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date

from titleholder.ledger.decision import Decision
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import Origin

log = logging.getLogger(__name__)

OnStep = Callable[[str, int], None]
"""Gets what is done next, and how many steps were done before it."""


def retrain(
    spec: ModelSpec,
    as_of: date,
    lane: str,
    *,
    url: str,
    origin: Origin,
    settings: Settings,
    candidates: Sequence[str] = (),
    on_step: OnStep = lambda *_: None,
) -> Decision:
    """Extract, train, nominate, validate, decide, promote and report; returns the decision.

    A report that fails is logged and changes nothing about the decision; the same call again writes it.
    """
    on_step("extract", 0)
    snapshot = steps.extract(spec, as_of, lane, url=url, origin=origin, settings=settings, candidates=candidates)
    trained = []
    for n, name in enumerate(snapshot.candidates, start=1):

        def on_trial(trial: int, of: int, n: int = n, name: str = name) -> None:
            on_step(f"train {name} {trial}/{of}", n)

        trained.append(steps.train(snapshot, name, settings=settings, on_trial=on_trial))
    done = len(trained) + 1
    on_step("nominate", done)
    challenger = steps.nominate(trained, settings=settings)
    on_step("validate", done + 1)
    validated = steps.validate(challenger, settings=settings)
    on_step("decide", done + 2)
    decision = steps.promote(steps.decide(validated, settings=settings), settings=settings)
    on_step("report", done + 3)
    try:
        steps.report(decision.id, origin=origin, settings=settings)
    except Exception:  # whatever fails in a picture: the decision stands, and the next month goes on
        log.exception("%s as of %s: decision %d stands without its report; run it again", spec.name, as_of, decision.id)
    on_step(decision.kind, done + 4)
    return decision
