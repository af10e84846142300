"""The DAGs `<model>.retrain` and `<model>.rollback` of every spec in include/models."""

from titleholder_airflow import build_dags

build_dags(globals())
