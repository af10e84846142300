"""The deciding metric of both models before this verdict: from stored scores of the folds, and the ledger."""

from __future__ import annotations

import logging

import pandas as pd

from titleholder import reports
from titleholder.data import features, snapshots
from titleholder.data.scores import ScoreStore
from titleholder.errors import DataError
from titleholder.ledger.decision import Decision
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.evidence import measurable
from titleholder.validation.metrics import Estimation, Interval, Sample
from titleholder.workflow.scoring import Comparison

log = logging.getLogger(__name__)


def metric_history(challenger: Comparison, crowned: Decision | None, store: ScoreStore) -> reports.MetricHistory:
    """What is known of a challenger, and of the champion, whose promotion is `crowned`."""
    spec = challenger.spec
    return reports.MetricHistory(
        challenger=development(challenger, spec, store),
        champion=development(Comparison.behind(crowned), spec, store) if crowned else None,
        crowned=crowned.verdict if crowned else None,
    )


def development(comparison: Comparison, judged_by: ModelSpec, store: ScoreStore) -> Interval | None:
    """The metric of the rows in the folds of a challenger's search, with its interval.

    Each row was scored by a model with the challenger's parameters that was fitted on earlier rows. The parameters were
    chosen on these very rows, which flatters a little. None where the scores or the snapshot are gone, or where nothing
    can be measured.
    """
    found = store.of_folds(comparison.challenger.key(comparison.sha256))
    if found is None:
        return None
    positions, scores = found
    columns = comparison.spec.columns
    names = [columns.target, *(c for c in (columns.weight, columns.cluster) if c)]
    try:
        with snapshots.opened(comparison.uri, comparison.sha256) as extract:
            frame = extract.read(names, at=positions)
    except DataError as error:
        model, version = comparison.spec.name, comparison.version
        log.warning("%s: the metric of version %s at development is not known: %s", model, version, error)
        return None
    clusters = pd.factorize(frame[columns.cluster])[0] if columns.cluster else None
    sample = Sample(features.target(frame, comparison.spec), features.weights(frame, comparison.spec), clusters)
    if not measurable(judged_by, sample.y):
        return None
    interval = metrics.interval(judged_by.judgement.metric, sample, scores, Estimation.of(judged_by))
    return interval if interval.finite else None
