"""Makes every broken spec an import error of Airflow's, with its message, while the other models' DAGs go on.

dags/retrain.py builds a DAG for each spec that can be read. This file builds none: it fails to import exactly when a
spec cannot be read, so the fault stands where Airflow's users look for faults.
"""

from __future__ import annotations

from titleholder.errors import SpecError
from titleholder.spec.loader import load_specs

if _errors := load_specs().errors:
    raise SpecError("\n\n".join(str(error) for error in _errors.values()))
