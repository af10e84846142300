"""What versions said of rows: asked once, kept with the outcomes as one Parquet table, read back from then on."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.errors import DataError
from titleholder.registry.models import Registry
from titleholder.spec.model import ModelSpec
from titleholder.validation.metrics import Array
from titleholder.workflow.scoring import Contest, Scorer

Part = Literal["judged", "used"]
"""Rows of a month's snapshot, on which its challenger was judged (or trained); rows of the time that followed it."""
KEYS = ["part", "as_of", "version"]


class Predictions:
    """Scores by part, month, version and entity; `asked` counts those that were not known and had to be computed."""

    def __init__(self, stored: bytes | None = None) -> None:
        self.asked = 0
        self._known: dict[tuple[str, date, int], pd.DataFrame] = {}
        if stored:
            table = pd.read_parquet(io.BytesIO(stored))
            groups: Any = table.groupby(KEYS, sort=False, observed=True)
            for (part, as_of, version), rows in groups:
                self._known[part, as_of, int(version)] = rows.set_index("entity")[["outcome", "score"]]

    def said(
        self,
        part: Part,
        month: date,
        version: int,
        rows: pd.DataFrame,
        spec: ModelSpec,
        ask: Callable[[pd.DataFrame], Array],
    ) -> Array:
        """A version's scores of these rows, shape (rows,); `spec` names entity and target. Only unknown ones are asked.

        Raises:
            DataError: when an outcome that is kept is not that of the row: the rows are not those asked about then.
        """
        entities, outcomes = pd.Index(rows[spec.columns.entity]), rows[spec.columns.target].to_numpy(dtype=np.float64)
        known = self._known.get((part, month, version))
        at = np.full(len(rows), -1) if known is None else known.index.get_indexer(entities)
        if (new := at < 0).any():
            more = pd.DataFrame(
                {"outcome": outcomes[new], "score": ask(rows[new].reset_index(drop=True))},
                index=entities[new],
            )
            known = more if known is None else pd.concat([known, more])
            self._known[part, month, version] = known
            self.asked += int(new.sum())
            at = known.index.get_indexer(entities)
        return self._held(known, at, outcomes, f"version {version} on the rows {part} as of {month}")

    def _held(self, known: pd.DataFrame | None, at: NDArray[np.intp], outcomes: Array, which: str) -> Array:
        if known is None:
            return np.empty(0)
        kept = known.iloc[at]
        if not np.array_equal(kept["outcome"].to_numpy(), outcomes):
            raise DataError(f"the predictions that were kept of {which} have other outcomes than the rows")
        return kept["score"].to_numpy()

    def table(self) -> bytes:
        """All of them as Parquet: part, as_of, version, entity, outcome, score."""
        parts = [
            rows.rename_axis("entity").reset_index().assign(part=part, as_of=as_of, version=version)
            for (part, as_of, version), rows in self._known.items()
        ]
        columns = [*KEYS, "entity", "outcome", "score"]
        whole = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
        file = io.BytesIO()
        whole.astype({"part": "category"}).to_parquet(file, index=False, compression="zstd")
        return file.getvalue()


class Recalled(Scorer):
    """Asks a registered version only what it was not asked before."""

    def __init__(self, registry: Registry, predictions: Predictions) -> None:
        super().__init__(registry)
        self._predictions = predictions

    def scores(self, contest: Contest, version: int, spec: ModelSpec, rows: pd.DataFrame) -> Array:
        """What a version says of rows of the contest's snapshot, as it said it before where it did."""

        def ask(some: pd.DataFrame) -> Array:
            return self.ask(version, spec, some)

        return self._predictions.said("judged", contest.as_of, version, rows, contest.spec, ask)
