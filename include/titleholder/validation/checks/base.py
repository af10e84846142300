"""What a check is, and what it returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from titleholder.spec.model import ModelSpec
from titleholder.spec.rule import Rule, docs_url
from titleholder.validation.evidence import Evidence

Status = Literal["pass", "beyond", "fail", "not_applicable"]
"""`beyond`: the estimate lies beyond its threshold, and a failure is not shown. It blocks nothing and is no pass."""
Severity = Literal["block", "warn"]
Subject = Literal["challenger", "comparison", "champion"]
"""What a check judges: the challenger by itself, the challenger compared with the champion, the champion by itself."""
Role = Literal["guard", "floor", "gain", "plausibility"]
"""What a failure means: harm, a model that is not good enough by itself, a gain that is not shown, or a result that a
person must look at before it counts."""
Dependency = Literal["rows", "confidence", "champion", "reign"]
DEPENDENCIES: tuple[Dependency, ...] = ("rows", "confidence", "champion", "reign")
"""What a check's result depends on beside the challenger, each together with those before it: the judged rows, the
confidence, the champion, and the looks of its reign with the minimum gain and the earlier versions compared."""


class Finding(NamedTuple):
    """What a check found: a status, one sentence and the numbers it rests on.

    `remedy` is a sentence on what to do in this case, where the check's own says too little.

    >>> found(True, "Harm is shown.", {"gain": -0.1}).status
    'fail'
    >>> found(False, "The estimate is below its floor.", {}, beyond=True).status
    'beyond'
    >>> not_applicable("No champion yet.").numbers
    {}
    """

    status: Status
    explanation: str
    numbers: dict[str, float]
    remedy: str = ""


def found(
    harm: bool, explanation: str, numbers: dict[str, float], *, beyond: bool = False, remedy: str = ""
) -> Finding:
    """`fail` where harm is shown; else `beyond` where the estimate lies beyond its threshold; else `pass`."""
    return Finding("fail" if harm else "beyond" if beyond else "pass", explanation, numbers, remedy)


def not_applicable(why: str, numbers: dict[str, float] | None = None) -> Finding:
    """The check does not apply here, and why."""
    return Finding("not_applicable", why, numbers or {})


LONGER_HOLDOUT = "Make windows.holdout longer."
"""What to do where the holdout has too few outcomes for a figure."""
NO_CHAMPION = not_applicable("No champion yet.")
NOT_MEASURABLE = not_applicable("Nothing can be measured on the holdout.")


class Result(BaseModel):
    """One check's result: a status, the numbers it rests on and one sentence. `subject` and `role` are the check's.

    `remedy` says what to do where it failed; else it is empty.

    >>> result = Result(code="TH401", title="Scores", severity="warn", status="fail", numbers={}, explanation="Drift.")
    >>> result.failed, result.blocks
    (True, False)
    """

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    subject: Subject = "challenger"
    role: Role = "guard"
    severity: Severity
    status: Status
    numbers: dict[str, float]
    explanation: str
    remedy: str = ""

    @property
    def explained(self) -> str:
        """The explanation, and after it the remedy if there is one."""
        return f"{self.explanation} {self.remedy}".rstrip()

    @property
    def failed(self) -> bool:
        """Whether the check failed, whether or not that blocks."""
        return self.status == "fail"

    @property
    def blocks(self) -> bool:
        """Whether the check failed and that blocks."""
        return self.failed and self.severity == "block"


@dataclass(frozen=True)
class Check:
    """One rule: a stable code, a title, the function that judges the evidence, and its key under `judgement.checks`.

    `depends_on` is the last of `DEPENDENCIES` that can change its result. `of_candidate`: a failure is this candidate's
    own, so that another candidate of the run may be judged; other failures lie in the rows or features that all share.
    `excused_by_champion`: it does not fail where a champion is as far off. `remedy` says what to do about a failure.

    >>> check = Check("TH101", "Enough outcomes", lambda evidence: found(evidence.events < 50, "Said.", {}))
    >>> check.docs_url
    'docs/checks.md#th101-enough-outcomes'
    """

    code: str
    title: str
    find: Callable[[Evidence], Finding]
    rule: str | None = None
    subject: Subject = "challenger"
    role: Role = "guard"
    depends_on: Dependency = "champion"
    of_candidate: bool = False
    excused_by_champion: bool = False
    remedy: str = ""

    def __call__(self, evidence: Evidence) -> Result:
        """The check's result; a rule that the spec switched off does not apply. Only finite numbers are kept."""
        severity = self.severity(evidence.spec)
        finding = not_applicable("Switched off in the spec.") if severity == "off" else self.find(evidence)
        return Result(
            code=self.code,
            title=self.title,
            subject=self.subject,
            role=self.role,
            severity="block" if severity == "block" else "warn",
            status=finding.status,
            numbers={name: value for name, value in finding.numbers.items() if math.isfinite(value)},
            explanation=finding.explanation,
            remedy=finding.remedy or self.remedy if finding.status == "fail" else "",
        )

    def severity(self, spec: ModelSpec) -> Literal["block", "warn", "off"]:
        """What the spec makes of a failure; a check without a key in the spec blocks."""
        rule: Rule | None = getattr(spec.judgement.checks, self.rule) if self.rule else None
        return rule.severity if rule else "block"

    def decides(self, spec: ModelSpec) -> bool:
        """Whether a failure can change what is decided: it blocks, or is the champion's, who may be retired for it."""
        return self.severity(spec) == "block" or self.subject == "champion"

    @property
    def docs_url(self) -> str:
        """The address of the check's section in the documentation, relative to the repository."""
        return docs_url(self.code, self.title)
