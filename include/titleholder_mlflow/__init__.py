"""What runs inside MLflow's server: its login, as the app that `mlflow server --app-name titleholder` starts."""
