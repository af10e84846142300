"""One retrain in this process, without Airflow: all steps, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from titleholder.errors import SpecError, TrainingError, one_line
from titleholder.ledger.decision import Decision
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.workflow import steps
from titleholder.workflow.payloads import Origin, TrainedCandidate

log = logging.getLogger(__name__)
PROMOTE, REPORT = "promote", "report"
"""The step that writes the decision, and the one after which it stands."""


class FailedCandidate(NamedTuple):
    """Why a candidate could not be trained, and the exit code of a run of nothing else."""

    why: str
    exit_code: int


class Retrained(NamedTuple):
    """The decision of a retrain, and the candidates that could not be trained, by their names.

    With `stood` the decision is an earlier one, which still stands about the same version: nothing was decided now.
    """

    decision: Decision
    failed: Mapping[str, FailedCandidate]
    stood: bool = False


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
) -> Retrained:
    """Extract, train, nominate, validate, decide, promote and report.

    A candidate that cannot be trained leaves the others running. A report that fails is logged and changes nothing
    about the decision; the same call again writes it.

    Raises:
        TrainingError: when no candidate could be trained, with the reason of each.
    """
    on_step("extract", 0)
    snapshot = steps.extract(spec, as_of, lane, url=url, origin=origin, settings=settings, candidates=candidates)
    trained: list[TrainedCandidate] = []
    failed: dict[str, FailedCandidate] = {}
    with steps.failing(snapshot, settings=settings):
        for n, name in enumerate(snapshot.candidates, start=1):

            def on_trial(trial: int, of: int, n: int = n, name: str = name) -> None:
                on_step(f"train {name} {trial}/{of}", n)

            try:
                trained.append(steps.train(snapshot, name, settings=settings, on_trial=on_trial))
            except (TrainingError, SpecError) as error:
                failed[name] = FailedCandidate(one_line(error).removeprefix(f"{spec.name}: "), error.exit_code)
        if not trained:
            reasons = "; ".join(candidate.why for candidate in failed.values())
            raise TrainingError(
                f"{spec.name} as of {as_of}: no candidate could be trained, and nothing was decided: {reasons}"
            )
    done = len(snapshot.candidates) + 1
    on_step("nominate", done)
    challenger = steps.nominate(trained, settings=settings)
    on_step("validate", done + 1)
    proposed = steps.propose(challenger, settings=settings)
    on_step(PROMOTE, done + 2)
    decision = steps.promote(proposed, settings=settings)
    on_step(REPORT, done + 3)
    try:
        steps.report(decision.id, origin=origin, settings=settings)
    except Exception as error:  # whatever fails in a picture: the decision stands, and the next month goes on
        log.error(  # noqa: TRY400  (people read this; the traceback is for those who look for it)
            "%s as of %s: decision %d stands without its report; run it again: %s",
            spec.name, as_of, decision.id, one_line(error), exc_info=log.isEnabledFor(logging.DEBUG),
        )  # fmt: skip
    on_step(decision.kind, done + 4)
    return Retrained(decision, failed, stood=decision.sequence <= proposed.head)
