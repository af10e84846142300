"""Reading specs from `include/models/*.yaml`, and saying what is wrong with them in a reader's words."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from titleholder.errors import SpecError, UsageError
from titleholder.spec.model import QUERY_FILE, ModelSpec
from titleholder.spec.sql import PARAMETERS

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True)
class Specs:
    """The models that can run, and the errors of those that cannot, by file stem."""

    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    errors: Mapping[str, SpecError] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Every model of the folder, read or not: what a mistyped name could have meant."""

    def __getitem__(self, name: str) -> ModelSpec:
        if name in self.models:
            return self.models[name]
        if name in self.errors:
            raise self.errors[name]
        known = sorted({*self.names, *self.models, *self.errors})
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"no model {name!r}.{hint} Known models: {', '.join(known) or 'none'}")


def models_folder() -> Path:
    """Where the specs are: `TITLEHOLDER_MODELS`, else `include/models` of this project."""
    return Path(os.environ.get("TITLEHOLDER_MODELS") or DEFAULT_FOLDER)


def load_specs(folder: Path | None = None, only: str | None = None) -> Specs:
    """Read every `*.yaml` in `folder` (or just `only`'s). One broken file leaves the others working."""
    models: dict[str, ModelSpec] = {}
    errors: dict[str, SpecError] = {}
    paths = sorted((folder or models_folder()).glob("*.yaml"))
    for path in paths:
        if only and path.stem != only:
            continue
        try:
            models[path.stem] = load_spec(path)
        except SpecError as error:
            errors[path.stem] = error
    return Specs(models, errors, tuple(path.stem for path in paths))


def demand_known(model: str) -> None:
    """Refuse a model that nobody specified; a broken spec does not hide its history."""
    specs = load_specs()
    if model not in specs.errors:
        specs[model]


def load_spec(path: Path) -> ModelSpec:
    """Read one spec and the SQL beside it.

    Raises:
        SpecError: listing every fault of the file, with line, key, value and the valid choices.
    """
    text = _read(path, "spec")
    data, lines = _parse(path, text)
    if "sql" in data:
        raise SpecError(f"{path.name}: sql: write the query into a file of its own and name it under source.query")
    sql, trouble = _query(path.parent, data.get("source"))
    faults = [f"{_where(('source', 'query'), lines)}source.query: {trouble}"] if trouble else []
    try:
        spec = ModelSpec.model_validate_json(json.dumps({**data, "sql": sql}, default=str))
    except ValidationError as error:
        faults += [_fault(detail, lines) for detail in _without_noise(error.errors())]
    if faults:
        raise SpecError("\n  ".join([f"{path.name} is not a valid model spec:", *faults]))
    if spec.name != path.stem:
        raise SpecError(f"{path.name}: name: {spec.name!r} must equal the file's name, {path.stem!r}")
    return spec


def _query(folder: Path, source: Any) -> tuple[str, str]:
    """The query's text and what is wrong with its file; then the text only serves to judge the rest of the spec."""
    stand_in = " ".join(f":{name}" for name in PARAMETERS)
    name = source.get("query") if isinstance(source, dict) else None
    if not isinstance(name, str) or not QUERY_FILE.fullmatch(name):
        return stand_in, ""  # the spec's own rules say so
    try:
        return (folder / name).read_text(encoding="utf-8"), ""
    except FileNotFoundError:
        there = ", ".join(sorted(p.name for p in folder.glob("*.sql"))) or "none"
        return stand_in, f"no file {name!r} beside the spec; there are: {there}"
    except (OSError, UnicodeDecodeError) as error:
        return stand_in, f"{name!r} cannot be read: {getattr(error, 'strerror', None) or error}"


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"{path.name}: the {what} cannot be read: {reason}") from None


def _parse(path: Path, text: str) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The file's data and the line of each key; duplicate keys are refused."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        data = _Loader(text).get_single_data()
        lines: dict[tuple[str, ...], int] = {}
        _note_lines(root, (), lines, path.name)
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(f"{path.name} is not valid YAML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path.name}: an alias (*name) contains itself") from None
    if not isinstance(root, yaml.MappingNode) or not isinstance(data, dict):
        raise SpecError(f"{path.name}: a spec is a mapping of keys such as name, source, columns, training")
    return data, lines


class _Loader(yaml.SafeLoader):
    """Plain YAML, but a date stays text for the spec to judge, and 1e-3 is a number as YAML 1.2 has it."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _note_lines(node: yaml.Node | None, at: tuple[str, ...], lines: dict[tuple[str, ...], int], file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if here in lines:
                raise SpecError(f"{file}, line {key.start_mark.line + 1}: {'.'.join(here)}: given twice")
            lines[here] = key.start_mark.line + 1
            _note_lines(value, here, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[(*at, str(place))] = value.start_mark.line + 1
            _note_lines(value, (*at, str(place)), lines, file)


def _without_noise(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """A union reports one error per member; keep the one that speaks of what was written."""
    kept: dict[tuple[Any, ...], ErrorDetails] = {}
    for detail in errors:
        key = _path(detail["loc"])
        if key not in kept or kept[key]["type"].endswith("_type"):
            kept[key] = detail
    return [d for path, d in kept.items() if not any(path == other[: len(path)] != other for other in kept)]


_UNION_LABELS = {"Range", "Approval", "Duration", "int", "float", "str", "bool", "none", "constrained-str"}


def _path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Pydantic's place without the names of union members, which nobody wrote."""
    return tuple(
        str(p)
        for p in loc
        if str(p) not in _UNION_LABELS and not str(p).startswith(("tuple[", "literal[", "function-"))
    )


def _fault(detail: ErrorDetails, lines: Mapping[tuple[str, ...], int]) -> str:
    path, message = _path(detail["loc"]), detail["msg"].removeprefix("Value error, ")
    if path == ("sql",):
        path = ("source", "query")
    place, colon, rest = message.partition(": ")
    if not path and colon and tuple(place.split(".")) in lines:  # a rule of the whole spec says which part broke it
        path, message = tuple(place.split(".")), rest
    where = _where(path, lines)
    key = ".".join(path) or "spec"
    if detail["type"] == "extra_forbidden":
        return f"{where}{key}: unknown key{_choices(path)}"
    if detail["type"] == "missing":
        return f"{where}{key}: required, but not given"
    value = detail["input"]
    shown = "" if isinstance(value, dict | list) or detail["loc"] == ("sql",) else f" (got {value!r})"
    return f"{where}{key}: {message}{shown}"


def _where(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> str:
    """The line of the key, or of the nearest part around it that was written down."""
    return next((f"line {lines[path[:n]]}: " for n in range(len(path), 0, -1) if path[:n] in lines), "")


def _choices(path: tuple[str, ...]) -> str:
    """Valid keys beside the unknown one, and the nearest of them."""
    valid = sorted(_fields_at(path[:-1]) - {"sql"})
    if not valid:
        return ""
    close = difflib.get_close_matches(path[-1], valid, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint}; valid here: {', '.join(valid)}" if not hint else f"{hint} Valid here: {', '.join(valid)}"


def _fields_at(path: tuple[str, ...]) -> set[str]:
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
