"""The spec's judgement part, for people: what decides, and what each check holds a challenger to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from titleholder.formatting import NOTHING
from titleholder.spec.criteria import Judgement


class Held(NamedTuple):
    """A check of the spec: its key, what it does when it fails, its thresholds and what they mean."""

    key: str
    severity: str
    thresholds: str
    meaning: str


def settings(judgement: Judgement) -> list[tuple[str, str]]:
    """Every key of the judgement part but `checks`, with its value; a key that is not set has a dash."""
    written = judgement.model_dump(mode="json", exclude={"checks"})
    return [(key, _written(value)) for key, value in written.items()]


def held_to(judgement: Judgement) -> list[Held]:
    """Every check that has thresholds, in the order of the spec."""
    rules = [(key, getattr(judgement.checks, key)) for key in type(judgement.checks).model_fields]
    return [
        Held(key, rule.severity, _written(rule.model_dump(mode="json", exclude={"severity"})), _meaning(rule))
        for key, rule in rules
    ]


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) or NOTHING
    if value is None:
        return NOTHING
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _meaning(rule: object) -> str:
    """The first paragraph of what its class says, in one line."""
    said = (inspect.getdoc(type(rule)) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", said).replace("`", "")
