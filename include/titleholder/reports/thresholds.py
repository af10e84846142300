"""The spec's judgement section as tables: the settings that decide, and the thresholds of each check."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from titleholder.formatting import NOTHING
from titleholder.spec.criteria import Judgement


class CheckSettings(NamedTuple):
    """A check of the spec: its key, its severity, its thresholds and their meaning.

    >>> check_settings(Judgement(metric="roc_auc"))[0][:3]
    ('baseline', 'block', 'minimum_gain: 0')
    """

    key: str
    severity: str
    thresholds: str
    meaning: str


def settings(judgement: Judgement) -> list[tuple[str, str]]:
    """Every key of `judgement` except `checks`, with its value; a dash for a key that is not set."""
    values = judgement.model_dump(mode="json", exclude={"checks"})
    return [(key, _text(value)) for key, value in values.items()]


def check_settings(judgement: Judgement) -> list[CheckSettings]:
    """Every check that has thresholds, in the order of the spec; a default that depends on the metric as it is."""
    by_metric = {
        "benchmark": {"tolerance": judgement.benchmark_tolerance},
        "segments": {"tolerance": judgement.segment_tolerance},
        "missing_inputs": {"loss": judgement.missing_loss},
    }
    rules = [(key, getattr(judgement.checks, key)) for key in type(judgement.checks).model_fields]
    return [
        CheckSettings(
            key,
            rule.severity,
            _text(rule.model_dump(mode="json", exclude={"severity"}) | by_metric.get(key, {})),
            _meaning(rule),
        )
        for key, rule in rules
    ]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items()) or NOTHING
    if value is None:
        return NOTHING
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _meaning(rule: object) -> str:
    """The first paragraph of its class's docstring, in one line."""
    paragraph = (inspect.getdoc(type(rule)) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("`", "")
