"""What is odd about rows to score, though it breaks no contract (pure).

Categories that no training row had, which a model scores as if they were rare or missing; and features without values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from pydantic import BaseModel, ConfigDict

from titleholder.formatting import counted

LISTED = 10
"""So many of the known categories are named at most."""


class Unseen(BaseModel):
    """A feature, in how many of how many rows its category is new, one of these, and what the model knows.

    >>> str(Unseen(feature="vip", rows=2, of=3, example="t", known=("False", "True")))
    "vip: 2 of 3 rows have a category that no training row had, such as 't'; the model knows 'False', 'True'"
    """

    model_config = ConfigDict(frozen=True)

    feature: str
    rows: int
    of: int
    example: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        listed = ", ".join(map(repr, self.known[:LISTED])) or "none"
        more = f" and {len(self.known) - LISTED:,} more" if len(self.known) > LISTED else ""
        return (
            f"{self.feature}: {self.rows:,} of {self.of:,} rows have a category that no training row had, such as "
            f"{self.example!r}; the model knows {listed}{more}"
        )


class UnseenCategories:
    """Counts them batch by batch; memory does not grow with the rows.

    >>> tally = UnseenCategories({"vip": ("False", "True")})
    >>> tally.add(pd.DataFrame({"vip": ["True", "t", None]}))
    >>> [(one.rows, one.example) for one in tally.found()]
    [(1, 't')]
    """

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        self._known, self._rows = known, 0
        self._filled: set[str] = set()
        self._features: list[str] = []
        self._new = dict.fromkeys(known, 0)
        self._examples: dict[str, str] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Count the next rows, in the form of `features.design_matrix`."""
        self._rows += len(rows)
        self._features = [*map(str, rows)]
        self._filled |= {name for name in map(str, rows) if name not in self._filled and rows[name].notna().any()}
        for name, known in self._known.items():
            times = rows[name].value_counts()
            new = times[~times.index.isin(known)]
            self._new[name] += int(new.sum())
            if len(new):
                self._examples.setdefault(name, str(new.index[0]))

    def empty(self) -> tuple[str, ...]:
        """The features of which no row has a value, if there are rows."""
        return tuple(name for name in self._features if name not in self._filled) if self._rows else ()

    def sentences(self) -> Iterator[str]:
        """What people should know of the rows, a sentence each without its full stop."""
        for name in self.empty():
            yield f"{name}: none of {counted(self._rows, 'row')} has a value"
        yield from map(str, self.found())

    def found(self) -> tuple[Unseen, ...]:
        """The features with new categories, in the order of the spec."""
        return tuple(
            Unseen(feature=name, rows=self._new[name], of=self._rows, example=example, known=self._known[name])
            for name, example in sorted(self._examples.items(), key=lambda item: list(self._known).index(item[0]))
        )
