"""Whether a class may be imported and called, and a cluster trusted, because a row of the ledger names it.

Whoever may append rows is not trusted with that: the folder of models, which people review, says what runs where.
"""

from __future__ import annotations

from collections.abc import Collection

from titleholder.errors import UsageError
from titleholder.spec import class_source
from titleholder.spec.engine import DaskEngine, Engine, is_address
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


def require_known_cluster(decision: int, engine: Engine, allowed: Collection[str] = ()) -> None:
    """Refuse a Dask scheduler whose address neither a spec of the folder of models names, nor `allowed`.

    What it answers is unpickled. The id of a connection is no address: the environment says where it leads.

    Raises:
        UsageError: naming the address, and how to allow it.
    """
    if not isinstance(engine, DaskEngine) or not is_address(engine.dask) or engine.dask in allowed:
        return
    if engine not in [spec.training.engine for spec in load_specs().models.values()]:
        raise UsageError(
            f"decision {decision} trains on the Dask scheduler {engine.dask}, which no spec in the folder of models "
            "names now. Whoever answers there can run code here: where you trust it, "
            f"`titleholder reproduce {decision} --allow {engine.dask}`"
        )


def _named() -> set[str]:
    """The classes of every candidate of every spec that can be read."""
    specs = load_specs().models.values()
    return {candidate.estimator for spec in specs for candidate in spec.training.candidates.values()}
