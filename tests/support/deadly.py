"""An estimator that ends the process which fits it, as a worker ends that the kernel kills for its memory."""

from __future__ import annotations

import os
import signal
from typing import Any, Self

from sklearn.linear_model import LogisticRegression


class Deadly(LogisticRegression):
    """`spares` is the id of a process that survives."""

    def __init__(self, spares: int = 0) -> None:
        super().__init__()
        self.spares = spares

    def fit(self, X: Any, y: Any) -> Self:
        if os.getpid() != self.spares:
            os.kill(os.getpid(), signal.SIGKILL)
        super().fit(X, y)
        return self
