"""A champion in use, watched: what `titleholder monitor` and the DAG `<model>.monitor` do."""
