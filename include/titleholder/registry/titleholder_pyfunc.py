"""How `mlflow.pyfunc` loads a logged model: one number a row. A copy lies beside each model, as `code/`.

It imports nothing of Titleholder, so a consumer needs only what the model's requirements.txt lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class Scores:
    """A fitted pipeline that answers as its signature says."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float64]:  # noqa: ARG002  (MLflow gives them)
        """The probability of class 1, or the predicted value; float64 of shape (rows,). It takes no params."""
        if hasattr(self.pipeline, "predict_proba"):
            return np.asarray(self.pipeline.predict_proba(rows)[:, 1], dtype=np.float64)
        return np.asarray(self.pipeline.predict(rows), dtype=np.float64)


def _load_pyfunc(folder: str) -> Scores:
    """What `mlflow.pyfunc.load_model` calls, with the folder of the model's files."""
    import skops.io

    logged = yaml.safe_load((Path(folder) / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
    pipeline = skops.io.load(Path(folder) / logged["pickled_model"], trusted=logged["skops_trusted_types"])
    return Scores(pipeline)
