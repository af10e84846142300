"""A Dask cluster of two worker processes, each with one thread, as tests use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.forks import FORKS, IMPORTED


@contextmanager
def a_cluster(workers: int = 2, memory: str | int = "1GB") -> Iterator[Any]:
    """The cluster; its scheduler is in this process, and listens on 127.0.0.1 only."""
    import dask
    from distributed import LocalCluster
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # its first call makes a list of imports of its own
        FORKS.set_forkserver_preload(IMPORTED)
        with LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            memory_limit=memory, silence_logs=50, env=dict(os.environ),
        ) as cluster:  # fmt: skip
            yield cluster
