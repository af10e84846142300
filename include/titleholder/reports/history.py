"""The deciding metric of both models at development, when the champion was crowned, and now."""

from __future__ import annotations

from typing import NamedTuple

from titleholder.formatting import date_range
from titleholder.validation.metrics import Interval
from titleholder.validation.verdict import Verdict


class MetricHistory(NamedTuple):
    """What was measured before this verdict, as far as it is known.

    `challenger` and `champion` are the metric at development: on the rows of the search's folds, by models with the
    same parameters that were fitted on earlier rows. `crowned` is the verdict by which the champion was promoted.

    >>> MetricHistory().crowned is None
    True
    """

    challenger: Interval | None = None
    champion: Interval | None = None
    crowned: Verdict | None = None


class Occasion(NamedTuple):
    """When the metric was measured, on which rows, and both models' values; None where one is not known."""

    name: str
    rows: str
    challenger: Interval | None
    champion: Interval | None


def occasions(history: MetricHistory, verdict: Verdict) -> list[Occasion]:
    """Development, the champion's last validation and the judged rows of this verdict, in the order of time.

    The value of the last validation is left out where another metric decided then.
    """
    now = Occasion(
        "Now", _dates(verdict), verdict.challenger_interval, verdict.champion_interval if verdict.champion else None
    )
    developed = Occasion("Development", "training rows of each, in folds", history.challenger, history.champion)
    crowned = history.crowned
    if crowned is None or verdict.champion is None:
        return [developed, now]
    same = crowned.challenger_interval if crowned.metric == verdict.metric else None
    rows = _dates(crowned)
    return [
        developed,
        Occasion(f"When the champion was promoted, as of {verdict.champion.as_of}", rows, None, same),
        now,
    ]


def _dates(verdict: Verdict) -> str:
    return f"judged rows, {date_range(verdict.holdout_start, verdict.holdout_end)}"
