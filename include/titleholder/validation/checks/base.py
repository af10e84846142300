"""What a check is given and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.spec.criteria import Rule
from titleholder.spec.model import ModelSpec
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import Look

Array = NDArray[np.float64]
Status = Literal["pass", "fail", "not_applicable"]
Severity = Literal["block", "warn"]
Heeded = Literal["rows", "confidence", "champion", "reign"]
HEEDED: tuple[Heeded, ...] = ("rows", "confidence", "champion", "reign")
"""What can change a check's answer beside the challenger, each with those before it: the judged rows alone, the
confidence, the champion, and the looks of its reign with the minimum gain."""


class Seen(BaseModel):
    """Rows that the challenger was trained on (a sample where there are many), and its scores on them."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    frame: pd.DataFrame
    y: NDArray[np.float64]
    scores: NDArray[np.float64]


class Evidence(BaseModel):
    """The judged rows and both models' scores on them. `champion` is None where nobody reigns yet.

    `frame` has every column of the query, one row a score; `weights` and `clusters` are those columns where the spec
    names them. `predict` gives the challenger's scores of other rows with the same features. `looks` are those of the
    reign, the newest last. `inputs` and `champion_inputs` are what a consumer must send, column to type. `recorded` are
    the scores of the first training rows when the challenger was trained, `reloaded` those of the model read back.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    spec: ModelSpec
    candidate: str
    frame: pd.DataFrame
    y: NDArray[np.float64]
    challenger: NDArray[np.float64]
    champion: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    clusters: NDArray[np.intp] | None = None
    metrics: dict[str, float] = {}
    champion_metrics: dict[str, float] = {}
    gain: Gain | None = None
    looks: tuple[Look, ...] = ()
    seen: Seen | None = None
    predict: Callable[[pd.DataFrame], Array] | None = None
    inputs: dict[str, str] = {}
    champion_inputs: dict[str, str] | None = None
    recorded: NDArray[np.float64] | None = None
    reloaded: NDArray[np.float64] | None = None

    @property
    def classification(self) -> bool:
        """Whether the target is 0 or 1."""
        return self.spec.task == "classification"

    @property
    def events(self) -> int:
        """Outcomes that carry information: the rarer class's rows, or every row of a regression."""
        return events(self.spec, self.y)

    @property
    def measurable(self) -> bool:
        """Whether anything can be measured: two rows, and of a classification both classes."""
        return measurable(self.spec, self.y)


def events(spec: ModelSpec, y: Array) -> int:
    """Outcomes that carry information: the rarer class's rows, or every row of a regression."""
    if spec.task == "regression":
        return len(y)
    positive = int(y.sum())
    return min(positive, len(y) - positive)


def measurable(spec: ModelSpec, y: Array) -> bool:
    """Whether anything can be measured on these outcomes: two rows, and of a classification both classes."""
    return len(y) > 1 and (spec.task == "regression" or events(spec, y) > 0)


class Finding(NamedTuple):
    """What a check found: a status, the numbers it rests on and one sentence."""

    status: Status
    explanation: str
    numbers: dict[str, float]


def found(harm: bool, explanation: str, numbers: dict[str, float]) -> Finding:
    """`fail` where harm is shown, else `pass`."""
    return Finding("fail" if harm else "pass", explanation, numbers)


def not_applicable(why: str, numbers: dict[str, float] | None = None) -> Finding:
    """The check has nothing to say here, and why."""
    return Finding("not_applicable", why, numbers or {})


NOBODY = not_applicable("Nobody reigns yet.")
NOTHING = not_applicable("Nothing can be measured.")


class Result(BaseModel):
    """One check's answer: a status, the numbers it rests on and one sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    severity: Severity
    status: Status
    numbers: dict[str, float]
    explanation: str


def comparative(code: str) -> bool:
    """Whether a check compares with the champion; the others judge the challenger in itself, whoever reigns."""
    return code.startswith("TH3") or code in ("TH205", "TH402", "TH702")


@dataclass(frozen=True)
class Check:
    """One rule: a stable code, a title, what finds it out, its key under `judgement.checks` if it has one, and what it
    heeds at most."""

    code: str
    title: str
    find: Callable[[Evidence], Finding]
    rule: str | None = None
    heeds: Heeded = "champion"

    def __call__(self, evidence: Evidence) -> Result:
        """The check's answer; a rule that the spec switched off does not apply. Only finite numbers are kept."""
        rule: Rule | None = getattr(evidence.spec.judgement.checks, self.rule) if self.rule else None
        off = rule is not None and rule.severity == "off"
        finding = not_applicable("Switched off in the spec.") if off else self.find(evidence)
        severity: Severity = "warn" if rule is not None and rule.severity != "block" else "block"
        finite = {name: value for name, value in finding.numbers.items() if math.isfinite(value)}
        return Result(
            code=self.code,
            title=self.title,
            severity=severity,
            status=finding.status,
            numbers=finite,
            explanation=finding.explanation,
        )
