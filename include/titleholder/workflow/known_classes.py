"""Whether a class may be imported and called because a row of the ledger names it.

Whoever may append rows is not trusted with that: the folder of models, which people review, says which classes run.
"""

from __future__ import annotations

from collections.abc import Collection

from titleholder.errors import UsageError
from titleholder.spec import class_source
from titleholder.spec.loader import load_specs
from titleholder.spec.metrics import Task

LIBRARY = "sklearn"
"""Its classes are everybody's."""


def require_known(decision: int, path: str, task: Task, allowed: Collection[str] = ()) -> None:
    """Refuse a class that is neither scikit-learn's, nor named by a spec of the folder of models, nor `allowed`.

    Its source is looked at as that of a class in a spec's file; nothing is imported.

    Raises:
        UsageError: naming the class, and how to allow it.
    """
    if path.partition(".")[0] != LIBRARY and path not in allowed and path not in _named():
        raise UsageError(
            f"decision {decision} trains {path}, which no spec in the folder of models names now. Importing it runs "
            f"its code: where you trust it, `titleholder reproduce {decision} --allow {path}`"
        )
    if faults := class_source.faults(path, (), task):
        raise UsageError(f"decision {decision} trains {path}: {faults[0]}")


def _named() -> set[str]:
    """The classes of every candidate of every spec that can be read."""
    specs = load_specs().models.values()
    return {candidate.estimator for spec in specs for candidate in spec.training.candidates.values()}
