"""A spec without its faulty keys, so that one validation after another also reaches the rules over several keys.

A rule over several keys, such as that a metric is one of the task, is checked only where each key by itself is valid.
A team wants to read everything that is wrong with a file at once.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from titleholder.spec import messages
from titleholder.spec.messages import SQL_KEYS, KeyPath, Lines
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import PARAMETERS

ROUNDS = 5
"""Single keys, sections, sections around them, and the whole spec: each needs those before it to be valid."""
RULED = (("task",), ("columns",), ("judgement", "quantile"), ("judgement", "profit"), ("judgement", "emp"))
"""Where one of these is faulty, nothing is known about keys that must agree with it."""
SQL = " ".join(f":{name}" for name in PARAMETERS)
"""Stands in for a query."""
STAND_INS: Mapping[KeyPath, Any] = {
    ("name",): "x",
    ("owner",): "x",
    ("start_date",): "1970-01-01",
    ("source",): {"connection": "x", "query": "x.sql"},
    ("source", "connection"): "x",
    ("source", "query"): "x.sql",
    ("windows",): {"label_maturity": "1 day", "train": "all", "holdout": "1 day"},
    ("windows", "label_maturity"): "1 day",
    ("windows", "train"): "all",
    ("windows", "holdout"): "1 day",
    ("training",): {"candidates": {"x": {"estimator": "x.X"}}},
    ("training", "candidates"): {"x": {"estimator": "x.X"}},
    ("scoring",): {"query": "x.sql", "window": "1 day", "sql": SQL},
    ("scoring", "query"): "x.sql",
    ("scoring", "window"): "1 day",
}


def validate(data: dict[str, Any], lines: Lines) -> tuple[ModelSpec | None, list[str]]:
    """The spec, or a sentence for each fault of it: those of single keys first, then those of rules over several."""
    found: dict[str, None] = {}
    touched: list[KeyPath] = []
    for number in range(ROUNDS):
        try:
            spec = ModelSpec.model_validate_json(json.dumps(data))
        except ValidationError as error:
            faults = [f for f in messages.faults(error, lines) if not any(f.path[: len(t)] == t for t in touched)]
            found |= dict.fromkeys(fault.sentence for fault in faults)
            if not faults or any(f.path[: len(key)] == key and not f.unknown for f in faults for key in RULED):
                break
            touched += [fault.path for fault in faults if not fault.unknown]
            data = _without(data, [fault.path for fault in faults])
        else:
            return (None if number else spec), list(found)
    return None, list(found)


def _without(data: dict[str, Any], paths: Iterable[KeyPath]) -> dict[str, Any]:
    """The data without these keys, or with what stands in for them; a key that was missing takes its section along."""
    left = copy.deepcopy(data)
    for path in paths:
        _remove(left, path)
    return left


def _remove(data: dict[str, Any], path: KeyPath) -> None:
    if not path:
        return
    section: Any = data
    for key in path[:-1]:
        section = section.get(key) if isinstance(section, dict) else None
    if not isinstance(section, dict):
        _remove(data, path[:-1])  # an item of a list, or of a section that is none
    elif path == ("judgement",):
        section["judgement"] = {"metric": _metric(data)}
    elif path == ("judgement", "metric"):
        section["metric"] = _metric(data)
    elif path in STAND_INS:
        section[path[-1]] = copy.deepcopy(STAND_INS[path])
        if path in SQL_KEYS.values():  # the file's text is reported under its name
            (data if path[0] == "source" else section)["sql"] = SQL
    elif path[:2] == ("training", "candidates") and path[3:] == ("estimator",):
        section["estimator"] = "x.X"
    elif path[-1] in section:
        del section[path[-1]]
    else:
        _remove(data, path[:-1])


def _metric(data: Mapping[str, Any]) -> str:
    return "rmse" if data.get("task") == "regression" else "roc_auc"
