"""What is wrong with a spec, a sentence for each fault: line, key, value and the valid choices."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from titleholder.spec.model import ModelSpec

KeyPath = tuple[str, ...]
"""The keys that lead to a value, outermost first."""
Lines = dict[KeyPath, int]
"""The line of each key in its file, from 1."""
LONGEST_VALUE = 200
"""Characters of a value that are shown."""
LISTED = 100
"""The most faults of one validation that are listed."""
SQL_KEYS: dict[KeyPath, KeyPath] = {("sql",): ("source", "query"), ("scoring", "sql"): ("scoring", "query")}
"""The text of a query comes from a file: the key that names it."""
_UNION_LABELS = {
    "Range", "Approval", "Person", "TableHistory", "DaskEngine", "Duration", "ElapsedTime", "int", "float", "str",
    "bool", "none", "constrained-str",
}  # fmt: skip


class Fault(NamedTuple):
    """A key that is wrong, the sentence about it, and whether the key itself is unknown."""

    path: KeyPath
    sentence: str
    unknown: bool


def faults(error: ValidationError, lines: Lines) -> list[Fault]:
    """One for each key that is wrong, and one for all beyond the first `LISTED`."""
    details = [each for detail in _one_per_key(error.errors(include_url=False), lines) for each in _split(detail)]
    found = [_fault(each, lines) for each in details[:LISTED]]
    if more := len(details) - len(found):
        found.append(Fault((), f"and {more:,} more", unknown=False))
    return found


def _split(detail: ErrorDetails) -> list[ErrorDetails]:
    """A rule of the whole spec names all that breaks it, one fault a line."""
    messages = detail["msg"].split("\n") if detail["type"] == "value_error" else [detail["msg"]]
    return [ErrorDetails(**{**detail, "msg": message}) for message in messages]


def place(path: KeyPath, lines: Lines) -> str:
    """`line 7: `, the line of the key or of the nearest key around it that is in the file."""
    return next((f"line {lines[path[:n]]}: " for n in range(len(path), 0, -1) if path[:n] in lines), "")


def _one_per_key(errors: list[ErrorDetails], lines: Lines) -> list[ErrorDetails]:
    """A union reports one error per member; keep the one of the member that was written."""
    kept: dict[tuple[Any, ...], ErrorDetails] = {}
    for detail in errors:
        key = _path(detail["loc"], lines)
        if key not in kept or kept[key]["type"].endswith("_type"):
            kept[key] = detail
    sections = {path[:n] for path in kept for n in range(len(path))}
    return [detail for path, detail in kept.items() if path not in sections]


def _path(loc: tuple[int | str, ...], lines: Lines) -> KeyPath:
    """Pydantic's path without the names of union members, unless the file has a key of that name there."""
    path: KeyPath = ()
    for part in map(str, loc):
        label = part in _UNION_LABELS or part.startswith(("tuple[", "literal[", "function-"))
        if not label or (*path, part) in lines:
            path = (*path, part)
    return path


def _fault(detail: ErrorDetails, lines: Lines) -> Fault:
    path, message = _path(detail["loc"], lines), detail["msg"].removeprefix("Value error, ")
    path = SQL_KEYS.get(path, path)
    named, colon, rest = message.partition(": ")
    if not path and colon and tuple(named.split(".")) in lines:  # a rule of the whole spec names the key that broke it
        path, message = tuple(named.split(".")), rest
    where = place(path, lines)
    key = ".".join(path) or "spec"
    if detail["type"] == "extra_forbidden":
        return Fault(path, f"{where}{key}: unknown key{_choices(path)}", unknown=True)
    if detail["type"] == "missing":
        return Fault(path, f"{where}{key}: required, but not given", unknown=False)
    value = detail["input"]
    shown = "" if isinstance(value, dict | list) or detail["loc"][-1:] == ("sql",) else f" (got {_brief(value)})"
    return Fault(path, f"{where}{key}: {message}{shown}", unknown=False)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _choices(path: KeyPath) -> str:
    """Valid keys beside the unknown one, and the nearest of them."""
    valid = sorted(_fields_at(path[:-1]) - {"sql"})
    if not valid:
        return ""
    close = difflib.get_close_matches(path[-1], valid, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint}{' Valid' if hint else '; valid'} here: {', '.join(valid)}"


def _fields_at(path: KeyPath) -> set[str]:
    model: Any = ModelSpec
    for part in path:
        model = _member(model, part)
    return set(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else set()


def _member(model: Any, part: str) -> Any:
    """The model class found at key `part` of `model`, looking through dicts and unions."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
        return model  # a dictionary's own key, such as a candidate's name
    return _first_model(model.model_fields[part].annotation)


def _first_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _first_model(a)) is not None), None)
