"""The page Champions in Airflow's navigation."""
