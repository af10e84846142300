"""The design matrices of the judged rows and of the training rows, made once for all checks."""

from __future__ import annotations

import pandas as pd

from titleholder.data import features
from titleholder.validation.evidence import Evidence, TrainingSample


def judged_features(evidence: Evidence) -> pd.DataFrame:
    """That of the judged rows. Nobody may change it: other checks read it too."""
    return evidence.once("judged features", lambda: features.design_matrix(evidence.frame, evidence.spec))


def training_features(evidence: Evidence, training: TrainingSample) -> pd.DataFrame:
    """That of the evidence's training rows. Nobody may change it: other checks read it too."""
    return evidence.once("training features", lambda: features.design_matrix(training.frame, evidence.spec))
