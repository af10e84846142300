"""The rule `fresh`: better on this holdout, and shown not to be worse than the champion by more than is tolerated.

With the gain g on rows that neither model saw, its standard error s and the one-sided quantile t, a challenger wins
when

    A: g - t s > -tolerated_loss        (non-inferiority)
    B: g > minimum_gain                 (better on this holdout)

A challenger that is truly worse by `tolerated_loss` or more passes A with a probability of at most 1 - confidence.
That holds for each challenge, not for all of them together: B is what keeps many small losses from adding up, for A in
large samples lets challengers pass that are known to be a little worse.

Sources: Piaggio et al. (2012), Reporting of noninferiority and equivalence randomized trials, JAMA 308(24), for A;
Feng, Emerson & Simon (2021), Approval policies for modifications to machine learning-based software as a medical
device: a study of bio-creep, Biometrics 77(1), for what repeated non-inferiority does.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from titleholder.spec.criteria import Judgement
from titleholder.spec.metrics import METRICS
from titleholder.validation.metrics import Gain, Sample, at_stake


class Freshness(BaseModel):
    """A challenge under the rule `fresh`. All numbers are in the metric's unit, more being better.

    >>> Freshness(gain=0.004, lower=-0.006, tolerated_loss=0.01, minimum_gain=0.0).passed
    True
    """

    model_config = ConfigDict(frozen=True)

    gain: float
    lower: float
    """The one-sided lower bound of the gain."""
    tolerated_loss: float
    minimum_gain: float

    @property
    def tolerable(self) -> bool:
        """A: whether the challenger is shown not to be worse by the tolerated loss."""
        return self.lower > -self.tolerated_loss

    @property
    def better(self) -> bool:
        """B: whether the challenger is better on this holdout."""
        return self.gain > self.minimum_gain

    @property
    def passed(self) -> bool:
        """Whether the challenger wins."""
        return self.tolerable and self.better


def in_unit(judgement: Judgement, loss: float, metric: float, sample: Sample) -> float:
    """A loss in the deciding metric's unit, on these judged rows.

    The spec may give it as a share: of a model's metric, or of the amounts at stake (`MetricInfo.share_of`).
    """
    share_of = METRICS[judgement.metric].share_of
    if share_of is None:
        return loss
    if share_of == "the champion's metric" or judgement.profit is None:
        return loss * abs(metric)
    return loss * at_stake(judgement.profit, sample)


def challenge(gain: Gain, *, tolerated_loss: float, minimum_gain: float, confidence: float) -> Freshness:
    """What a gain on this holdout says under the rule, with a one-sided bound at `confidence`."""
    return Freshness(
        gain=gain.estimate,
        lower=gain.lower_bound(confidence),
        tolerated_loss=tolerated_loss,
        minimum_gain=minimum_gain,
    )
