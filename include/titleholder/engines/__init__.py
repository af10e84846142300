"""Training elsewhere than in the memory of the task: on a Dask cluster, or XGBoost from the disk."""
