"""How much memory a step takes at least, and how much its process may have."""

from __future__ import annotations

import resource
from pathlib import Path

from rich import filesize

from titleholder.spec.engine import DaskEngine
from titleholder.spec.model import ModelSpec

TIMES = 2.5
"""What a training takes at least, in float64 matrices of the snapshot's features, as a cautious guess.

`benchmarks/scale.py`: 1,000,000 x 30 took boosting 4.1 of them (990 MB, with the libraries), a scorecard 6.7.
"""
LEAST = 2**29
"""Below this nothing is foretold: the libraries alone take as much, in bytes."""
PER_ROW = 64
"""What a row takes in the process that drives an engine, in bytes: its position, outcome, weight and scores."""
JUDGED = 64
"""What a judged row takes, in bytes, as a cautious guess: its event time, outcome, scores, and what a check computes.

`benchmarks/scale.py`: 12,000,000 rows took about 100.
"""
BINNED = 2.0
"""What XGBoost takes of a number that it reads from the disk, in bytes, as a cautious guess."""
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a container may have, in bytes, in both versions of Linux's control groups."""


def shortage(spec: ModelSpec, name: str, rows: int, *, may_have: int | None = None) -> str:
    """Why the candidate cannot be trained on so many rows here, and what to change; empty where it may fit.

    `may_have` is in bytes, by default what this process may have. A category counts as one column; encoded as many it
    takes more.
    """
    limit, engine = available() if may_have is None else may_have, spec.training.engine
    columns = len(spec.columns.features)
    needed = _needed(engine, rows, columns)
    if limit is None or needed < max(limit, LEAST):
        return ""
    least, most = map(filesize.decimal, (needed, limit))
    other = "" if engine else ", or choose a training.engine that does not hold all rows in memory"
    return (
        f"{spec.name}: {name} cannot be trained here: {rows:,} rows of {columns} features take {least} at least, and "
        f"this process may have {most}. Give it more (training.candidates.{name}.resources: a pod with more memory, or "
        f"a queue of workers that have it), shorten windows.train, let the query return a sample with columns.weight, "
        f"name fewer features{other}"
    )


def shortage_to_judge(spec: ModelSpec, rows: int, *, may_have: int | None = None) -> str:
    """The same of a holdout of so many rows that is to be judged."""
    limit, needed = available() if may_have is None else may_have, rows * JUDGED
    if limit is None or needed < max(limit, LEAST):
        return ""
    least, most = map(filesize.decimal, (needed, limit))
    return (
        f"{spec.name}: nothing can be judged here: {rows:,} rows of the holdout take {least} at least, and this "
        f"process may have {most}. Give the queue's workers more, shorten windows.holdout, or let the query return "
        "a sample with columns.weight"
    )


def in_one_process(rows: int, columns: int) -> int:
    """What a training takes at least where one process holds all rows, in bytes."""
    return int(TIMES * rows * columns * 8)


def _needed(engine: DaskEngine | str | None, rows: int, columns: int) -> int:
    """What a training takes in this process at least, in bytes; what it takes on a cluster is that one's affair."""
    if engine is None:
        return in_one_process(rows, columns)
    return rows * PER_ROW + (0 if isinstance(engine, DaskEngine) else int(BINNED * rows * columns))


def available() -> int | None:
    """The bytes of memory that this process may have: its container's, its own or the machine's; None if unknown."""
    found = [number for path in LIMITS if (number := _number(Path(path))) is not None]
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    if own != resource.RLIM_INFINITY:
        found.append(own)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")))
    except (OSError, StopIteration):
        pass
    return min(found, default=None)


def _number(path: Path) -> int | None:
    """`max` and absurd numbers stand for no limit."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**60 else None
