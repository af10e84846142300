"""What was recorded against what came out again, value by value, and exactly what differs (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from titleholder.validation.metrics import Array

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Numbers this close are the same number, computed in another order: a share of the larger, or as they are."""
SHOWN = 20
"""Of a long array at most so many differences are listed, the largest; all are counted."""
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
Closeness = Literal["equal", "within", "different"]


class Difference(BaseModel):
    """One value that is not what was recorded; `difference` is reproduced minus recorded, where both are numbers.

    >>> tally = Tally("metrics")
    >>> tally.compare({"roc_auc": 0.75}, {"roc_auc": 0.5})
    >>> tally.differences
    [Difference(path='metrics.roc_auc', recorded=0.75, reproduced=0.5, difference=-0.25)]
    """

    model_config = ConfigDict(frozen=True)

    path: str
    recorded: Any
    reproduced: Any
    difference: float | None = None


class ComparedPart(BaseModel):
    """How many values of one part were compared: equal to the last digit, within tolerance, different.

    >>> ComparedPart(name="metrics", equal=9, within=2, different=1).compared
    12
    """

    model_config = ConfigDict(frozen=True)

    name: str
    equal: int = 0
    within: int = 0
    different: int = 0

    @property
    def compared(self) -> int:
        """All of them."""
        return self.equal + self.within + self.different


class Tally:
    """Counts a part's values as they are compared, and keeps those that differ and those that were never recorded.

    >>> tally = Tally("metrics")
    >>> tally.compare({"roc_auc": 0.71, "brier": 0.09}, {"roc_auc": 0.71, "brier": 0.10})
    >>> tally.part
    ComparedPart(name='metrics', equal=1, within=0, different=1)
    >>> tally.differences[0].path
    'metrics.brier'
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[Closeness, int] = {"equal": 0, "within": 0, "different": 0}
        self.differences: list[Difference] = []
        self.not_recorded: list[str] = []

    @property
    def part(self) -> ComparedPart:
        """The counts so far."""
        return ComparedPart(name=self.name, **self.counts)

    def compare(self, recorded: Any, reproduced: Any, path: str = "") -> None:
        """Walk two JSON values side by side. A key that `recorded` lacks was not recorded, which is no difference."""
        path = path or self.name
        if isinstance(recorded, Mapping) and isinstance(reproduced, Mapping):
            self.not_recorded += [f"{path}.{k}" for k in reproduced if k not in recorded]
            for key, value in recorded.items():
                self.compare(value, reproduced.get(key), f"{path}.{key}")
        elif _coded(recorded) and _coded(reproduced):
            self.compare({c["code"]: c for c in recorded}, {c["code"]: c for c in reproduced}, path)
        elif isinstance(recorded, list) and isinstance(reproduced, list) and len(recorded) == len(reproduced):
            for n, (one, other) in enumerate(zip(recorded, reproduced, strict=True)):
                self.compare(one, other, f"{path}[{n}]")
        else:
            self._count(closeness(recorded, reproduced), path, recorded, reproduced)

    def compare_arrays(self, recorded: Array, reproduced: Array, path: str = "") -> None:
        """The same for many numbers at once, of shape (n,) each."""
        path = path or self.name
        if recorded.shape != reproduced.shape:
            self._count("different", f"{path}.length", len(recorded), len(reproduced))
            return
        equal = (recorded == reproduced) | (np.isnan(recorded) & np.isnan(reproduced))
        larger = np.maximum(np.abs(recorded), np.abs(reproduced))
        apart = np.abs(reproduced - recorded)
        close = equal | (apart <= np.maximum(RELATIVE * larger, ABSOLUTE))
        wrong = np.flatnonzero(~close)
        self.counts["equal"] += int(equal.sum())
        self.counts["within"] += int((close & ~equal).sum())
        self.counts["different"] += len(wrong)
        furthest = wrong[np.argsort(-np.nan_to_num(apart[wrong], nan=np.inf), kind="stable")][:SHOWN]
        for n in sorted(furthest):
            self._keep(f"{path}[{n}]", float(recorded[n]), float(reproduced[n]))

    def _count(self, how: Closeness, path: str, recorded: Any, reproduced: Any) -> None:
        self.counts[how] += 1
        if how == "different":
            self._keep(path, recorded, reproduced)

    def _keep(self, path: str, recorded: Any, reproduced: Any) -> None:
        apart = float(reproduced - recorded) if _number(recorded) and _number(reproduced) else None
        self.differences.append(Difference(path=path, recorded=recorded, reproduced=reproduced, difference=apart))


def closeness(recorded: Any, reproduced: Any) -> Closeness:
    """How close two single values are; of texts, whether they differ at most in numbers that are within tolerance."""
    if _number(recorded) and _number(reproduced):
        return _near(float(recorded), float(reproduced))
    if isinstance(recorded, str) and isinstance(reproduced, str) and recorded != reproduced:
        if NUMBER.split(recorded) != NUMBER.split(reproduced):
            return "different"
        pairs = zip(NUMBER.findall(recorded), NUMBER.findall(reproduced), strict=True)
        return "different" if any(_near(float(a), float(b)) == "different" for a, b in pairs) else "within"
    return "equal" if type(recorded) is type(reproduced) and recorded == reproduced else "different"


def _near(recorded: float, reproduced: float) -> Closeness:
    if recorded == reproduced or (math.isnan(recorded) and math.isnan(reproduced)):
        return "equal"
    near = math.isclose(recorded, reproduced, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return "within" if near else "different"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coded(value: Any) -> bool:
    """Whether it is a list of checks, which are known by their codes."""
    return isinstance(value, Sequence) and bool(value) and all(isinstance(v, Mapping) and "code" in v for v in value)
