"""A Dask cluster of two worker processes, each with one thread, as tests use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def a_cluster(workers: int = 2, memory: str | int = "1GB") -> Iterator[Any]:
    """The cluster; its scheduler is in this process, and listens on 127.0.0.1 only."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        memory_limit=memory, silence_logs=50,
    ) as cluster:  # fmt: skip
        yield cluster
