"""Whether an installation is as it should be: `titleholder doctor`. Nothing of it imports Airflow."""
