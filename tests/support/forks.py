"""Processes of tests: forks of one that has imported what they need, which takes seconds in each that begins anew."""

from __future__ import annotations

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
IMPORTED = [
    *("titleholder.workflow.steps", "skops.io"),
    *("distributed.nanny", "distributed.worker", "xgboost.dask", "lightgbm", "s3fs", "titleholder.engines.on_dask"),
    *("titleholder.engines.single_worker", "sklearn.linear_model", "sklearn.ensemble"),
]
FORKS.set_forkserver_preload(IMPORTED)
