"""The embedded stack of one clone: PostgreSQL, MLflow and Airflow, on loopback, without containers."""
