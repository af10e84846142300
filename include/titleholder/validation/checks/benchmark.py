"""Is the challenger at least as good as a plain scorecard that nobody tuned?"""

from __future__ import annotations

from typing import NamedTuple

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.estimates import estimate_gain, estimate_metric
from titleholder.validation.evidence import Evidence
from titleholder.validation.fresh import in_unit
from titleholder.validation.metrics import Gain, Interval


class BenchmarkComparison(NamedTuple):
    """The benchmark's deciding metric, the challenger's gain over it, and the loss that is tolerated, in its unit."""

    metric: Interval
    gain: Gain
    tolerance: float

    @property
    def worse(self) -> bool:
        """Whether the challenger is shown to be worse by more than is tolerated."""
        return self.gain.upper < -self.tolerance


def benchmark_comparison(evidence: Evidence) -> BenchmarkComparison | None:
    """The challenger against the benchmark on the judged rows; None without scores or where nothing is measurable."""
    scores = evidence.benchmark.scores if evidence.benchmark else None
    if scores is None or not evidence.measurable:
        return None
    judgement = evidence.spec.judgement
    challenger = metrics.compute(judgement.metric, evidence.y, evidence.challenger, judgement, evidence.weights)
    return BenchmarkComparison(
        estimate_metric(evidence, judgement.metric, scores),
        estimate_gain(evidence, judgement.metric, scores),
        in_unit(judgement, judgement.benchmark_tolerance, challenger, evidence.sample),
    )


def _not_worse(evidence: Evidence) -> Finding:
    """Fails when the whole interval of the gain over the benchmark lies below minus the tolerance."""
    if evidence.benchmark is None:
        return not_applicable("No benchmark was fitted.")
    if evidence.benchmark.problem:
        return not_applicable(evidence.benchmark.problem)
    compared = benchmark_comparison(evidence)
    if compared is None:
        return NOT_MEASURABLE
    name = evidence.spec.judgement.metric
    return found(
        compared.worse,
        f"Gain in {name} over an untuned scorecard of the same rows, whose {name} is {compared.metric.text()}: "
        f"{compared.gain.text('+.4f')}, whose upper bound must reach {-compared.tolerance:.4g}.",
        {**compared.gain.numbers("gain"), **compared.metric.numbers("benchmark"), "tolerance": compared.tolerance},
        beyond=compared.gain.estimate < -compared.tolerance,
    )


not_worse_than_benchmark = Check(
    "TH208",
    "Not worse than an untuned scorecard",
    _not_worse,
    "benchmark",
    depends_on="confidence",
    of_candidate=True,
    remedy="Add a plain scorecard as a candidate, search a smaller space, or train on more rows.",
)
