"""MLflow: runs, models, versions and the alias."""
