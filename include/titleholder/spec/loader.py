"""Specs read from a folder of YAML and SQL files."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from titleholder.errors import SpecError, UsageError, one_line
from titleholder.spec import class_source, messages, repairs
from titleholder.spec.files import read_text, read_yaml, shown
from titleholder.spec.messages import KeyPath, Lines
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import QUERY_FILE
from titleholder.spec.training import MOST_CANDIDATES, MOST_PARAMETERS
from titleholder.spec.types import CLASS_PATH

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "models"
"""Where a clone of the repository keeps its models: `include/models`."""
SUFFIXES = (".yaml", ".yml")
"""What the name of a spec's file ends in, in any case. `churn.yaml.txt` only contains one: it is named, not read."""


@dataclass(frozen=True)
class Specs:
    """The models that can run, and the errors of those that cannot, by file stem.

    >>> Specs(names=("churn",))["chrn"]
    Traceback (most recent call last):
    titleholder.errors.UsageError: no model 'chrn'. Did you mean 'churn'? Known models: churn
    """

    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    errors: Mapping[str, SpecError] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Every model of the folder, read or not: the suggestions for a mistyped name."""
    not_read: tuple[Path, ...] = ()
    """Files that look like specs by their names and are none, such as `churn.yaml.txt`."""

    def __getitem__(self, name: str) -> ModelSpec:
        if name in self.models:
            return self.models[name]
        if name in self.errors:
            raise self.errors[name]
        known = sorted({*self.names, *self.models, *self.errors})
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"no model {name!r}.{hint} Known models: {', '.join(known) or 'none'}")


def models_folder(folder: Path | None = None) -> Path:
    """The folder of the specs: the one given, else `TITLEHOLDER_MODELS`, else `include/models` of a clone.

    Raises:
        UsageError: when it does not exist, or none is given and the package is installed outside a clone.
    """
    given = folder or (Path(path) if (path := os.environ.get("TITLEHOLDER_MODELS")) else None)
    if given:
        if not given.is_dir():
            source = "" if folder else " (TITLEHOLDER_MODELS)"
            raise UsageError(f"no folder {given}{source}: it holds the models, a .yaml and an .sql file for each")
        return given
    if DEFAULT_FOLDER.parent.name == "include" and DEFAULT_FOLDER.is_dir():
        return DEFAULT_FOLDER
    raise UsageError("no folder of models: set TITLEHOLDER_MODELS to the one with your .yaml and .sql files")


def spec_files(folder: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """The files of specs in a folder and those below it, by model; and files that only look like one by their names.

    Hidden files and folders are left out: a mounted ConfigMap keeps its copies there. What is no file that can be read,
    such as a link that leads nowhere, and a model of two files are errors that `load_specs` reports.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    others = []
    for path in sorted(folder.rglob("*.[yY]*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or path.is_dir():
            continue
        if path.suffix.lower() in SUFFIXES:
            found[shown(path).removesuffix(path.suffix)].append(path)
        elif any(f"{suffix}." in path.name.lower() for suffix in SUFFIXES):
            others.append(path)
    return dict(sorted(found.items())), others


def load_specs(folder: Path | None = None, only: str | None = None) -> Specs:
    """Read every spec in the folder and below it (or just `only`'s). One broken file leaves the others working.

    Raises:
        UsageError: when there is no folder; see `models_folder`.
    """
    models: dict[str, ModelSpec] = {}
    errors: dict[str, SpecError] = {}
    found, others = spec_files(root := models_folder(folder))
    for name, paths in found.items():
        if only and name != only:
            continue
        try:
            models[name] = load_spec(_only_file(name, paths, root))
        except SpecError as error:
            errors[name] = error
        except Exception as error:  # whatever is wrong with one file, or with its reading, the others are read
            files = " and ".join(map(shown, paths))
            errors[name] = SpecError(f"{files}: the spec cannot be read: {type(error).__name__}: {one_line(error)}")
    return Specs(models, errors, tuple(found), tuple(others))


def _only_file(name: str, paths: list[Path], root: Path) -> Path:
    if len(paths) == 1:
        return paths[0]
    listed = " and ".join(str(path.relative_to(root)) for path in paths)
    raise SpecError(f"{name}: {len(paths)} files have this model's name: {listed}. Rename or delete all but one")


def spec_file(model: str) -> Path:
    """The file of a model's spec.

    Raises:
        UsageError: for an unknown model, naming the nearest.
        SpecError: where several files have its name.
    """
    found, _ = spec_files(root := models_folder())
    if model not in found:
        load_specs()[model]
    return _only_file(model, found[model], root)


def require_known(model: str) -> None:
    """Raise a UsageError for a model without a file; a broken spec does not hide its history."""
    specs = load_specs()
    if model not in specs.errors:
        specs[model]


def load_spec(path: Path) -> ModelSpec:
    """Read one spec and the SQL beside it.

    Raises:
        SpecError: listing every fault of the file, with line, key, value and the valid choices.
    """
    spec, faults = read_spec(path)
    if faults or spec is None:
        raise SpecError("\n  ".join([f"{shown(path)} is not a valid model spec:", *faults]))
    return spec


def read_spec(path: Path) -> tuple[ModelSpec | None, list[str]]:
    """One spec, if its keys are valid, and every fault of the file: candidates that cannot be made leave a spec.

    Raises:
        SpecError: when the file cannot be read, or is no YAML.
    """
    data, lines = read_yaml(path)
    queried, faults = _with_queries(path.parent, data, lines)
    spec, found = repairs.validate(queried, lines)
    faults += [*found, *_estimator_faults(data, lines)]
    if (name := data.get("name")) != path.stem and isinstance(name, str):
        faults.append(f"{messages.place(('name',), lines)}name: {name!r} must equal the file's name, {path.stem!r}")
    return spec, faults


def _estimator_faults(data: Mapping[str, Any], lines: Lines) -> Iterator[str]:
    """What the sources of the candidates' classes say against them; the validation of the spec reports other faults."""
    training = data.get("training")
    candidates = training.get("candidates") if isinstance(training, dict) else None
    for name, candidate in islice(candidates.items(), MOST_CANDIDATES) if isinstance(candidates, dict) else ():
        path = candidate.get("estimator") if isinstance(candidate, dict) else None
        if isinstance(path, str) and CLASS_PATH.fullmatch(path):
            parts = [given for part in ("params", "search") if isinstance(given := candidate.get(part), dict)]
            given = [key for part in parts if len(part) <= MOST_PARAMETERS for key in part]
            key = ("training", "candidates", name, "estimator")
            where = f"{messages.place(key, lines)}{'.'.join(key)}: {path}"
            yield from (f"{where}: {fault}" for fault in class_source.faults(path, given, data.get("task")))


def _with_queries(folder: Path, data: dict[str, Any], lines: Lines) -> tuple[dict[str, Any], list[str]]:
    """The data with the texts of their queries, and what is wrong with those files."""
    sql, faults = _section_query(folder, "source", data.get("source"), ("sql",), data, lines)
    scoring = data.get("scoring")
    if not isinstance(scoring, dict):
        return {**data, "sql": sql}, faults
    own, more = _section_query(folder, "scoring", scoring, ("scoring", "sql"), scoring, lines)
    return {**data, "sql": sql, "scoring": {**scoring, "sql": own}}, [*faults, *more]


def _section_query(
    folder: Path, name: str, section: Any, key: KeyPath, holder: Mapping[str, Any], lines: Lines
) -> tuple[str, list[str]]:
    """The text of a section's query, and what is wrong with its file; `key` is where only the loader puts the text."""
    text, fault = _query(folder, section)
    faults = [f"{messages.place((name, 'query'), lines)}{name}.query: {fault}"] if fault else []
    if "sql" in holder:
        said = f"write the query into a file and name it under {name}.query"
        faults.append(f"{messages.place(key, lines)}{'.'.join(key)}: {said}")
    return text, faults


def _query(folder: Path, source: Any) -> tuple[str, str]:
    """The query's text, and what is wrong with its file; then the text is a stand-in that passes validation."""
    stand_in = repairs.SQL
    name = source.get("query") if isinstance(source, dict) else None
    if not isinstance(name, str) or not QUERY_FILE.fullmatch(name):
        return stand_in, ""  # the validation of the spec reports it
    file = folder / name
    if not file.exists() and not file.is_symlink():
        present = ", ".join(sorted(shown(p) for p in folder.glob("*.sql"))) or "none"
        return stand_in, f"no file {name!r} beside the spec; there are: {present}"
    try:
        return read_text(file), ""
    except SpecError as error:
        return stand_in, f"{name!r} cannot be read: {error}"
