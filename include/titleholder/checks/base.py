"""What a check is given and what it answers."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.metrics import Gain
from titleholder.spec import ModelSpec

Status = Literal["pass", "fail", "not_applicable"]
Severity = Literal["block", "warn"]


class Evidence(BaseModel):
    """The judged rows and both models' scores on them. `champion` is None where nobody reigns yet."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    spec: ModelSpec
    y: NDArray[np.float64]
    challenger: NDArray[np.float64]
    champion: NDArray[np.float64] | None
    metrics: dict[str, float]
    gain: Gain | None

    @property
    def events(self) -> int:
        """Outcomes that carry information: the rarer class's rows, or every row of a regression."""
        if self.spec.task == "regression":
            return len(self.y)
        positive = int(self.y.sum())
        return min(positive, len(self.y) - positive)


class Result(BaseModel):
    """One check's answer: a status, the numbers it rests on and one sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    severity: Severity
    status: Status
    numbers: dict[str, float]
    explanation: str
