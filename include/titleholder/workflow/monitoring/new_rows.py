"""The rows of scoring runs by bin of each feature: each event once, in batches of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.data import features, snapshots
from titleholder.data.scores import Array
from titleholder.ledger import event_scores
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import midnight
from titleholder.validation.monitoring.look import NewRows, ReferenceFeature

NAMES = 10_000
"""So many new categories of a feature are told apart; rows with further ones are counted together."""


class CountedRows(NamedTuple):
    """The new rows of scoring runs: by bin of each feature, the score last; their scores; and their event times.

    `again` rows are of entities (of clusters, where the inputs say which) that other rows of this look, or of the look
    before, are of.
    """

    by_feature: tuple[NewRows, ...]
    scores: Array
    again: int
    start: date
    end: date

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.scores)


class Part(NamedTuple):
    """A scoring run, and from which event time on its rows are new: earlier ones were counted with another run."""

    run: ScoreRun
    start: date


def parts_of(runs: Sequence[ScoreRun], covered: date | None) -> list[Part]:
    """The new parts of runs in order of their as-of dates; `covered` ends the event times that were counted before.

    A run that adds nothing, because a later one was counted before it, is there with an empty interval.
    """
    found = []
    for run in sorted(runs, key=lambda run: (run.as_of, run.id)):
        start = min(max(run.window_start, covered or run.window_start), run.as_of)
        found.append(Part(run, start))
        covered = max(covered or run.as_of, run.as_of)
    return found


def rows_of(parts: Sequence[Part], url: str) -> int:
    """How many new rows these runs have."""
    return sum(event_scores.count(url, part.run.id, part.start) for part in parts)


def count(
    parts: Sequence[Part],
    reference: Sequence[ReferenceFeature],
    spec: ModelSpec,
    url: str,
    before: Sequence[ScoreRun] = (),
) -> CountedRows:
    """The new rows of these runs by the bins of the reference.

    `spec` is that under which the version was trained; `before` are the runs that the look before counted.

    Raises:
        DataError: when the input of a run is gone, or was changed.
    """
    *own, score = reference
    tallies = [_Tally(feature) for feature in own]
    known = [_whose(run, spec, url) for run in before]
    scores, entities = [np.empty(0)], []
    for run, start in parts:
        with snapshots.opened(run.input_uri, run.input_sha256) as extract:
            for frame in extract.batches([spec.columns.event_time, *spec.columns.features], snapshots.ROW_GROUP):
                new = frame[frame[spec.columns.event_time] >= midnight(start)]
                matrix = features.design_matrix(new, spec)
                for tally in tallies:
                    tally.add(matrix[tally.of.name])
            clusters = _clusters(extract, spec, start, run.as_of)
        given = event_scores.read(url, run.id, start=start)
        scores.append(given.scores)
        entities.append(given.entities if clusters is None else clusters)
    every = np.concatenate(scores)
    own_counts = tuple(tally.found for tally in tallies)
    of_score = NewRows(tuple(score.places.counts(every).tolist()), {})
    start, end = min(p.start for p in parts), max(p.run.as_of for p in parts)
    return CountedRows((*own_counts, of_score), every, seen_again(entities, known), start, end)


def _whose(run: ScoreRun, spec: ModelSpec, url: str) -> NDArray[Any]:
    """The cluster of each row of a run that was counted, where its input says so; else the entity."""
    if spec.columns.cluster:
        with snapshots.opened(run.input_uri, run.input_sha256) as extract:
            if (found := _clusters(extract, spec, run.window_start, run.as_of)) is not None:
                return found
    return event_scores.read(url, run.id, start=run.window_start).entities


def _clusters(extract: snapshots.Extract, spec: ModelSpec, start: date, end: date) -> NDArray[Any] | None:
    """The cluster of each row, such as the customer whose rows belong together; None where the input says none."""
    cluster = spec.columns.cluster
    if cluster is None or cluster not in extract.columns:
        return None
    rows = extract.read([cluster], event_time=spec.columns.event_time, start=start, end=end)
    return features.as_text(rows[cluster]).to_numpy()


def seen_again(entities: Sequence[NDArray[Any]], known: Sequence[NDArray[Any]]) -> int:
    """How many of these rows are of an entity that is known, or that a row before them is of.

    >>> seen_again([np.array(["a", "b"]), np.array(["a", "c"])], [np.array(["c", "d"])])
    2
    """
    every = pd.Series(np.concatenate([np.empty(0, dtype=object), *known, *entities]), dtype=object)
    return int(every.duplicated()[sum(map(len, known)) :].sum())


class _Tally:
    def __init__(self, of: ReferenceFeature) -> None:
        self.of, self._bins = of, of.places
        self._counts = np.zeros(len(of.bins.labels), dtype=np.int64)
        self._unseen: Counter[str] = Counter()
        self._others = 0

    def add(self, values: pd.Series) -> None:
        self._counts += self._bins.counts(values.to_numpy())
        if self.of.kind == "categorical":
            times = values.value_counts()
            for name, rows in ((str(n), int(k)) for n, k in times.items()):
                if name in self.of.known:
                    continue
                if name in self._unseen or len(self._unseen) < NAMES:
                    self._unseen[name] += rows
                else:
                    self._others += rows

    @property
    def found(self) -> NewRows:
        return NewRows(tuple(self._counts.tolist()), dict(self._unseen), self._others)
