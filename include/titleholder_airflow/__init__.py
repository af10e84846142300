"""What Titleholder adds to Airflow's user interface."""
