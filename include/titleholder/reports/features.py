"""The features of the challenger: how far each has moved since training, for tables."""

from __future__ import annotations

from typing import NamedTuple

from titleholder.validation.checks.feature_drift import MissingRate, missing_rates, stability
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Psi

SHOWN = 20


class FeatureStability(NamedTuple):
    """A feature's stability index and missing rate since training, and whether either is further off than allowed."""

    feature: str
    psi: Psi
    missing: MissingRate
    moved: bool
    jumped: bool


def feature_stability(evidence: Evidence) -> list[FeatureStability]:
    """Every feature; the largest share of what TH403 or TH404 allows comes first. Empty without rows of either kind."""
    checks, rates = evidence.spec.judgement.checks, missing_rates(evidence)
    most, change = checks.feature_drift.psi, checks.missing_rates.change
    found = [
        FeatureStability(name, psi, rates[name], psi.lower > most, rates[name].least_change > change)
        for name, psi in stability(evidence).items()
    ]
    return sorted(found, key=lambda each: -max(each.psi.lower / most, each.missing.least_change / change))
