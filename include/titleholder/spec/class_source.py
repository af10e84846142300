"""What the source of an estimator's class says, read without importing it: DAG files are parsed every few seconds.

A library may be more dynamic than its source shows. What cannot be seen there is left to the import, which
`titleholder.training.estimators` does before anything is trained.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from titleholder.spec.metrics import Task

LIBRARIES = ("sklearn", "lightgbm", "xgboost")
"""The nearest of these is suggested for a misspelt library."""
HOPS = 5
"""A class may be imported through at most so many modules."""


class ClassSource(NamedTuple):
    """What the definition of a class says: its name, the parameters of its constructor, and the task that it is for.

    `parameters` is empty where they cannot be seen, such as behind **kwargs; `task` is None where neither its name nor
    those of its bases say it; `bases` are the texts of its base classes, or None where it may get others (a metaclass,
    a decorator).
    """

    name: str
    parameters: tuple[str, ...]
    task: Task | None
    bases: tuple[str, ...] | None


class Import(NamedTuple):
    """What binds a name to one of another module: `from ..module import name`, with the number of dots."""

    module: str
    name: str
    level: int


Binding = ClassSource | Import | Literal["function"] | None
"""None: something else, such as an assignment."""


def faults(path: str, parameters: Iterable[str], task: object) -> list[str]:
    """What is wrong with the class at a dotted path for this task, by its source; empty where nothing is seen.

    >>> faults("sklearn.linear_model.Rigde", [], "regression")
    ["module sklearn.linear_model has no class Rigde; did you mean 'Ridge'?"]
    >>> faults("sklearn.linear_model.Ridge", ["alhpa"], "regression")[0].partition(";")[0]
    "Ridge takes no parameter 'alhpa'"
    >>> faults("subprocess.Popen", [], "regression")
    ['Popen is no scikit-learn estimator: let it inherit from sklearn.base.BaseEstimator']
    """
    try:
        found = _find(*_split(path), hops=HOPS)
    except _RefusedError as refused:
        return [str(refused)]
    if found is None:
        return []
    return [*_wrong_task(found, task), *unknown_parameters(path, parameters, found.parameters)]


def unknown_parameters(path: str, parameters: Iterable[str], valid: Iterable[str]) -> list[str]:
    """A sentence for each parameter that the class does not take; none where nothing is known of those it takes."""
    names, known = path.rpartition(".")[2], sorted(valid)
    return [
        f"{names} takes no parameter {name!r}{nearest(name, known)}; it takes {', '.join(known)}"
        for name in parameters
        if known and name not in known
    ]


def not_installed(library: str) -> str:
    """The sentence about a library that cannot be imported, and how to get it."""
    return (
        f"the library {library} is not installed{nearest(library, LIBRARIES)}; add it to the requirements of what runs "
        "the models (Airflow's image and this environment; see docs/install-in-your-airflow.md)"
    )


def nearest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no valid name is close."""
    close = difflib.get_close_matches(name, [v for v in valid if v != name], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def wrong_task(name: str, own: Task, task: object) -> str:
    """The sentence about a class for the other task."""
    kind = "classifies" if own == "classification" else "predicts values"
    return f"{name} {kind}, but the task is {task}"


def no_estimator(name: str) -> str:
    """The sentence about a class that scikit-learn cannot use."""
    return f"{name} is no scikit-learn estimator: let it inherit from sklearn.base.BaseEstimator"


def not_a_class(path: str, kind: str) -> str:
    """The sentence about something else at the path of an estimator."""
    return f"{path} is a {kind}, not a class"


class _RefusedError(Exception):
    """What is no class of an estimator; the message says why."""


class _MissingError(_RefusedError):
    """A library, module or class that does not exist; the message says which."""


def _wrong_task(found: ClassSource, task: object) -> Iterator[str]:
    if found.task and task in ("classification", "regression") and found.task != task:
        yield wrong_task(found.name, found.task, task)


def _split(path: str) -> tuple[str, str]:
    module, _, name = path.rpartition(".")
    return module, name


def _find(module: str, name: str, hops: int) -> ClassSource | None:
    """The class, followed through the modules that import it; None where the source does not say.

    Raises:
        _MissingError: where the library, the module or the class does not exist.
        _RefusedError: where it is a function, a module, or a class that cannot be an estimator's.
    """
    file = _file(module)
    if file is None or not hops:
        return None
    bound, complete = _bindings(file, file.stat().st_mtime_ns)
    if name not in bound:
        if not complete:
            return None
        if file.name == "__init__.py" and _beside(file, name):
            raise _RefusedError(not_a_class(f"{module}.{name}", "module"))
        raise _MissingError(f"module {module} has no class {name}{nearest(name, bound)}")
    node = bound[name]
    if node == "function":
        raise _RefusedError(not_a_class(f"{module}.{name}", "function"))
    if isinstance(node, ClassSource) and _has_other_bases_only(node, bound):
        raise _RefusedError(no_estimator(name))
    if not isinstance(node, Import):
        return node
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    above = package[: len(package) - (node.level - 1)] if node.level else []
    try:
        return _find(".".join([*above, *([node.module] if node.module else [])]), node.name, hops - 1)
    except _MissingError:
        return None  # the library's own affair, such as a module that is compiled


def _has_other_bases_only(found: ClassSource, bound: Mapping[str, Binding], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a class and all those of its own module that it inherits from have no other base."""
    if found.bases is None or found.name in seen:
        return False
    return all(
        base == "object"
        or (
            isinstance(node := bound.get(base), ClassSource) and _has_other_bases_only(node, bound, seen | {found.name})
        )
        for base in found.bases
    )


def _file(module: str) -> Path | None:
    """The source of a module; None where it has none, such as one that is compiled.

    Raises:
        _MissingError: where the library is not installed, or has no such module.
    """
    library, *parts = module.split(".")
    try:
        spec = find_spec(library)
    except ValueError:  # a module made at run time
        return None
    if spec is None:
        raise _MissingError(not_installed(library))
    folders = [Path(location) for location in spec.submodule_search_locations or ()]
    if not parts:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    if len(folders) != 1:
        return None
    folder = folders[0]
    for n, part in enumerate(parts):
        if not _beside(folder / "__init__.py", part):
            siblings = [entry.stem for entry in folder.iterdir() if entry.is_dir() or entry.suffix == ".py"]
            raise _MissingError(f"there is no module {'.'.join([library, *parts[: n + 1]])}{nearest(part, siblings)}")
        folder /= part
    source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return source if source.is_file() else None


def _beside(file: Path, name: str) -> bool:
    """Whether a package, a module or a compiled one of this name lies in the folder of `file`."""
    return (file.parent / name).is_dir() or any(file.parent.glob(f"{name}.*"))


@lru_cache(maxsize=64)
def _bindings(file: Path, changed: int) -> tuple[dict[str, Binding], bool]:
    """What each name of a module is bound to at the top level, and whether these are all that it has.

    `changed` is the time of the file's last change: who reads it again after that gets what it says then.
    """
    del changed
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}, False
    bound: dict[str, Binding] = {}
    complete = True
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bound[node.name] = ClassSource(node.name, _parameters(node), _task(node), _bases(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bound[node.name] = None if node.decorator_list else "function"
            complete = complete and node.name != "__getattr__"
        elif isinstance(node, ast.ImportFrom):
            bound |= {a.asname or a.name: Import(node.module or "", a.name, node.level) for a in node.names}
            complete = complete and all(alias.name != "*" for alias in node.names)
        elif isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name.partition(".")[0]: None for alias in node.names}
        elif isinstance(node, ast.Assign):
            bound |= {target.id: None for target in node.targets if isinstance(target, ast.Name)}
        elif not isinstance(node, ast.Expr | ast.AnnAssign):
            complete = False  # if, try, with: names may be bound inside
    return bound, complete


def _bases(definition: ast.ClassDef) -> tuple[str, ...] | None:
    if definition.keywords or definition.decorator_list:
        return None
    return tuple(ast.unparse(base) for base in definition.bases)


def _parameters(definition: ast.ClassDef) -> tuple[str, ...]:
    constructors = (n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    given = next((constructor.args for constructor in constructors), None)
    if given is None or given.kwarg or given.vararg:
        return ()
    return tuple(a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs))[1:]


def _task(definition: ast.ClassDef) -> Task | None:
    names = [definition.name, *(ast.unparse(base) for base in definition.bases)]
    classifies, predicts = (any(word in name for name in names) for word in ("Classifier", "Regressor"))
    if classifies == predicts:
        return None
    return "classification" if classifies else "regression"
