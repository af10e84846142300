"""One look at the drift of a reign: the new rows against the reference, and the evidence of all looks so far (pure).

Rows are counted by bin; nothing else of them is needed. While nothing changes rows are exchangeable, so that within a
look their order may be chosen at random, and the ranks of `drift` follow from the counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics import psi_of_counts
from titleholder.validation.monitoring.bins import Bins
from titleholder.validation.monitoring.drift import log_evidence, rank
from titleholder.validation.monitoring.evidence import at_any_time, e_bh
from titleholder.validation.monitoring.report import LONGEST, BinNames, Drift, FeatureLook, Span, Unseen

Kind = Literal["numeric", "categorical", "score"]
BINS = 10
RANKED = 100_000
"""So many rows of a look are ranked, drawn at random; all are counted."""
CONFIDENCE = 0.95
"""Of the intervals of the stability index."""
SHOWN = 10
"""New categories that are named."""


class ReferenceFeature(NamedTuple):
    """A feature, or the score, of the reference: its bins, the rows in each, and the categories of all training rows.

    >>> values = np.array(["rent", "own", "rent", "own"], dtype=object)
    >>> found = ReferenceFeature.of("home", "categorical", values, np.random.default_rng(1))
    >>> sum(found.counts)
    2
    """

    name: str
    kind: Kind
    bins: BinNames
    counts: tuple[int, ...]
    known: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, name: str, kind: Kind, values: NDArray[Any], rng: np.random.Generator, known: frozenset[str] = frozenset()
    ) -> ReferenceFeature:
        """Bins are cut on one random half of the values and counted on the other."""
        cut = np.zeros(len(values), dtype=bool)
        cut[rng.permutation(len(values))[: len(values) // 2]] = True
        bins = Bins.of(values[cut], BINS)
        counts = tuple(bins.counts(values[~cut]).tolist())
        return cls(name, kind, BinNames(**bins.model_dump()), counts, known)

    @property
    def places(self) -> Bins:
        """The bins that say where a value lies."""
        return Bins(**self.bins.model_dump())


class NewRows(NamedTuple):
    """The rows of a look by bin of one feature, and how many have each category that no training row had.

    `others` have further such categories, which were too many to tell apart.
    """

    counts: tuple[int, ...]
    unseen: dict[str, int]
    others: int = 0


class History(NamedTuple):
    """The earlier looks of a reign in order of time: of each the counts of ranks by feature and cell, and the evidence
    by feature; and the newest one whole. That is all that later looks need, and grows slowly over years.

    >>> History.of([]).newest is None
    True
    """

    cells: Sequence[Sequence[Sequence[int]]] = ()
    log_evidence: Sequence[Sequence[float]] = ()
    newest: Drift | None = None

    @classmethod
    def of(cls, drifts: Sequence[Drift]) -> History:
        """That of whole looks."""
        return cls(
            [[one.cells for one in drift.features] for drift in drifts],
            [[one.log_evidence for one in drift.features] for drift in drifts],
            drifts[-1] if drifts else None,
        )

    @property
    def features(self) -> Sequence[FeatureLook]:
        """Those of the newest one."""
        return self.newest.features if self.newest else ()


class Limits(NamedTuple):
    """What an alarm of drift asks for: the budget, the looks in a row, and the least index."""

    budget: float
    in_a_row: int
    least: float


def look(
    reference: Sequence[ReferenceFeature],
    rows: Sequence[NewRows],
    earlier: History,
    limits: Limits,
    seed: Sequence[int],
) -> tuple[FeatureLook, ...]:
    """Every feature of a look; the order is that of `reference`, whose last one is the score.

    Args:
        reference: the features, of each look of a reign the same ones.
        rows: of each the new rows.
        earlier: the earlier looks of the reign.
        limits: see there.
        seed: for ties and for the order of rows; a repeated look must have the same.
    """
    made = [
        _counted(feature, new, earlier, n, np.random.default_rng([*seed, n]))
        for n, (feature, new) in enumerate(zip(reference, rows, strict=True))
    ]
    taken = e_bh(np.array([one.log_e for one in made]), limits.budget)
    before = earlier.features or (None,) * len(made)
    return tuple(_judged(one, bool(t), b, limits) for one, t, b in zip(made, taken, before, strict=True))


def _counted(of: ReferenceFeature, new: NewRows, earlier: History, place: int, rng: np.random.Generator) -> FeatureLook:
    seen = earlier.features[place].seen if earlier.features else of.counts
    ranked = rank(seen, _in_random_order(new.counts, rng), rng)
    log_e = log_evidence([*(cells[place] for cells in earlier.cells), ranked.cells])
    found = psi_of_counts(of.bins.labels, of.counts, new.counts, confidence=CONFIDENCE)
    most = sorted(new.unseen.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    return FeatureLook(
        name=of.name,
        kind=of.kind,
        bins=of.bins,
        reference=of.counts,
        counts=new.counts,
        cells=ranked.cells,
        seen=ranked.seen,
        psi=span(*found.interval.values),
        missing=_last_share(new.counts),
        reference_missing=_last_share(of.counts),
        unseen=tuple(Unseen(name=_short(name), rows=rows) for name, rows in most),
        unseen_rows=sum(new.unseen.values()) + new.others,
        log_evidence=log_e,
        log_e=float(at_any_time(np.array([*(one[place] for one in earlier.log_evidence), log_e]))[-1]),
        drifted=False,
        in_a_row=0,
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _in_random_order(counts: Sequence[int], rng: np.random.Generator) -> NDArray[np.intp]:
    """The bin of each row, of at most `RANKED` rows, in random order."""
    drawn = np.array(counts, dtype=np.int64)
    if drawn.sum() > RANKED:
        drawn = rng.multivariate_hypergeometric(drawn, RANKED, method="marginals")
    return np.asarray(rng.permutation(np.repeat(np.arange(len(drawn)), drawn)), dtype=np.intp)


def _judged(one: FeatureLook, taken: bool, before: FeatureLook | None, limits: Limits) -> FeatureLook:
    standing = one.log_evidence >= -math.log(limits.budget)
    drifted = taken and standing and one.psi.estimate >= limits.least
    return one.model_copy(
        update={"drifted": drifted, "in_a_row": (before.in_a_row if before else 0) + 1 if drifted else 0}
    )


def level(features: Sequence[FeatureLook]) -> float:
    """The smallest budget with which e-BH would take any of them for changed, at most 1.

    >>> level([])
    1.0
    """
    logs = np.sort([one.log_e for one in features])[::-1]
    least = [math.log(len(logs) / (n + 1)) - log_e for n, log_e in enumerate(logs)]
    return float(min(1.0, math.exp(min(least, default=0.0))))


def span(estimate: float, lower: float, upper: float) -> Span:
    """As a report has it: a bound that is not finite is none."""
    bounds = (bound if math.isfinite(bound) else None for bound in (lower, upper))
    return Span(
        estimate=estimate if math.isfinite(estimate) else 0.0, **dict(zip(("lower", "upper"), bounds, strict=True))
    )


def _last_share(counts: Sequence[int]) -> float:
    return counts[-1] / max(sum(counts), 1)
