"""Training on rows that do not fit the memory of one process: a Dask cluster, or XGBoost from the disk."""
