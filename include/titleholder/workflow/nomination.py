"""The candidates of a run become challengers, the best first; one that is unfit for use gives way to the next.

All are judged on the same rows. So a later one carries who was unfit before it: its gain is judged at a confidence
adjusted for their number, and the verdict says so. Which candidate a month has does not depend on the champion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from titleholder.ledger.nominee import Nominee
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.runs import key_of
from titleholder.validation.checks import CHECKS
from titleholder.validation.evidence import UnfitCandidate
from titleholder.validation.verdict import Verdict
from titleholder.workflow import publication
from titleholder.workflow.payloads import Challenger, Snapshot


def register(
    snapshot: Snapshot, ranking: Sequence[Nominee], unfit: Sequence[UnfitCandidate], registry: Registry
) -> Challenger:
    """The best nominee after those that were found unfit, as a model version. A second try finds the first one's."""
    nominee, through, origin = ranking[len(unfit)], snapshot.spans.holdout_start, snapshot.origin
    refit = snapshot.spec.windows.refit is not None
    tags = names.tags(
        as_of=snapshot.as_of,
        lane=snapshot.lane,
        candidate=nominee.name,
        verdict="pending",
        trained_through=through,
        refitted_through=snapshot.spans.matured if refit else None,
        airflow_run=origin.airflow_run,
        airflow_url=origin.url,
    )
    links = {publication.AIRFLOW: origin.url}
    described = publication.description(nominee.name, snapshot.as_of, snapshot.lane, refit, snapshot.spans, links)
    key = _key(snapshot, ranking, len(unfit))
    version = registry.models.register(snapshot.model, key, nominee.model.uri, nominee.run_id, tags, described)
    registry.runs.annotate(snapshot.run_id, tags={names.CHALLENGER: str(version)})
    return Challenger(
        snapshot=snapshot,
        name=nominee.name,
        version=version,
        trained_through=through,
        ranking=tuple(ranking),
        unfit=tuple(unfit),
    )


def _key(snapshot: Snapshot, ranking: Sequence[Nominee], position: int) -> str:
    trained = sorted((n.name for n in ranking), key=snapshot.candidates.index)
    return key_of(snapshot.key, *trained, *([position] if position else []))


def versions(challenger: Challenger, registry: Registry) -> Iterator[int]:
    """This challenger's version, and those that an earlier try has registered after it because it was unfit."""
    yield challenger.version
    for position in range(len(challenger.unfit) + 1, len(challenger.ranking)):
        key, source = _key(challenger.snapshot, challenger.ranking, position), challenger.ranking[position].model.uri
        version = registry.models.find(challenger.snapshot.model, key, source)
        if version is not None:
            yield version


class Judged(NamedTuple):
    """A candidate of a run, and the checks that it fails by itself, without a champion."""

    challenger: Challenger
    failed: tuple[str, ...]

    @property
    def unfit(self) -> UnfitCandidate:
        """What the verdict on another candidate says of it."""
        return UnfitCandidate(name=self.challenger.name, version=self.challenger.version, failed=self.failed)

    @property
    def excusable(self) -> bool:
        """Whether a champion that is as far off would excuse all that it fails."""
        return all(CHECKS[code].excused_by_champion for code in self.failed)


def best(family: Sequence[Judged], registry: Registry) -> Challenger:
    """Which of the candidates that were judged one after the other is the challenger: the last, if it is fit.

    Where none is, because the level of all outcomes has shifted, for example, it is the first whose failures a champion
    may excuse: the champion can be as far off. A worse candidate must not take its place for being the last.
    """
    last = family[-1]
    number = next((n for n, one in enumerate(family) if one.excusable), len(family) - 1) if last.failed else -1
    if family[number] is last:
        return last.challenger
    chosen, others = family[number].challenger, [one.unfit for one in family[number + 1 :]]
    model = chosen.snapshot.model
    registry.models.set_tags(model, last.challenger.version, names.tags(verdict="unfit"))
    registry.models.set_tags(model, chosen.version, names.tags(verdict="pending"))
    registry.runs.annotate(chosen.snapshot.run_id, tags={names.CHALLENGER: str(chosen.version)})
    return chosen.model_copy(update={"also_unfit": tuple(others)})


def failed(verdict: Verdict) -> tuple[str, ...]:
    """The checks of the challenger itself that failed and block."""
    return tuple(result.code for result in verdict.failed() if result.subject == "challenger")


def following(challenger: Challenger, verdict: Verdict, registry: Registry) -> Challenger | None:
    """The next challenger where this one is unfit for use; None where it is not, or was the last.

    `verdict` is the one without a champion: which candidate a month has must not depend on the champion of the time,
    or a lane's decisions would depend on the order in which its months finish.

    Failures that all candidates share, such as too few outcomes or a feature that leaks, are not the candidate's own:
    with these no other is judged.
    """
    codes = failed(verdict)
    if challenger.is_last or not codes or not all(CHECKS[code].of_candidate for code in codes):
        return None
    registry.models.set_tags(challenger.snapshot.model, challenger.version, names.tags(verdict="unfit"))
    unfit = UnfitCandidate(name=challenger.name, version=challenger.version, failed=codes)
    return register(challenger.snapshot, challenger.ranking, (*challenger.unfit, unfit), registry)
