"""Migrate the stack's databases and create Airflow's first user. Safe to repeat; runs before every start.

Commands get passwords through their environment or standard input, never as arguments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence


def main() -> str | None:
    """None when all steps succeeded; else the step that failed."""
    environment = dict(os.environ)
    admin_password = environment.pop("AIRFLOW_ADMIN_PASSWORD")
    mlflow_password = environment.pop("MLFLOW_DB_PASSWORD")
    admin = environment.get("AIRFLOW_ADMIN_USER", "admin")
    steps: dict[str, tuple[Sequence[str], Mapping[str, str], str]] = {
        "Airflow's database": (("airflow", "db", "migrate"), {}, ""),
        "MLflow's database": (
            ("mlflow", "db", "upgrade", environment["MLFLOW_BACKEND_STORE_URI"]),  # without its password
            {"PGPASSWORD": mlflow_password},
            "",
        ),
        "the ledger": (("titleholder", "migrate"), {}, ""),
        "Airflow's first user": (
            (
                *("airflow", "users", "create", "--role", "Admin", "--username", admin),
                *("--firstname", "First", "--lastname", "User", "--email", f"{admin}@titleholder.invalid"),
            ),
            {"PYTHONWARNINGS": "ignore:Can not control echo"},
            f"{admin_password}\n{admin_password}\n",  # prompted for twice
        ),
    }
    for name, (command, extra, answers) in steps.items():
        print(f"=== {name}", flush=True)  # noqa: T201
        # A new session has no terminal, so a command that prompts reads its standard input.
        done = subprocess.run(
            command, env={**environment, **extra}, input=answers, text=True, check=False, start_new_session=True
        )
        if done.returncode:
            return f"{name}: `{' '.join(command[:3])}` ended with {done.returncode}; its own message is above."
    return None


if __name__ == "__main__":
    sys.exit(main())
