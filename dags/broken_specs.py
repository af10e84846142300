"""Shows each broken spec in include/models as an import error. A file of its own: the other models' DAGs stay."""

from titleholder_airflow import report_missing_dags

report_missing_dags()
