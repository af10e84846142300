"""The environment of each process of the stack: what is listed here, and nothing else of the caller's.

base            PATH, HOME, language, time zone, temporary folder, numbers of threads
postgres        base
mlflow          base, its own database, the passwords of its users
Airflow         base, Airflow's settings, the folder of models; in addition:
  api-server    the ledger as its reading role, MLflow as its user who reads
  scheduler     and its tasks: the ledger as its appending role, the warehouse as its reading role, MLflow as its user
                who writes, snapshots, the key that signs what tasks hand on, Airflow's connections and variables,
                proxies, and what TITLEHOLDER_PASS_ON names
  dag-processor the ledger as its reading role, Airflow's connections and variables, proxies
  triggerer     Airflow's connections and variables, proxies

No process that stays has the password of the ledger's owner, of the loader or of PostgreSQL's superuser.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from localstack.keys import Keys
from localstack.settings import (
    airflow_settings,
    loopback,
    mlflow_database,
    mlflow_login,
    read_settings,
    records_settings,
    steps_settings,
)
from localstack.state import PROJECT, State
from titleholder.errors import ServiceError
from titleholder_mlflow.login import PASSWORDS, WRITER

BASE = ("HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
OUTGOING = ("http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
CHOICES = ("MODELS", "RETRY_SECONDS", "DOCS_URL", "MLFLOW_ADDRESS", "CODE_VERSION")
"""What a person may set for Airflow's services, as `TITLEHOLDER_<NAME>`."""
PASS_ON = "TITLEHOLDER_PASS_ON"  # noqa: S105  (the name of a variable)


def of(process: str, state: State, keys: Keys, ports: Mapping[str, int]) -> dict[str, str]:
    """The whole environment of a service, or of a migration or clean-up of one, by its name.

    Raises:
        ServiceError: TITLEHOLDER_PASS_ON names a variable that is not set.
    """
    shared = read_settings(PROJECT / "config" / "airflow.env")
    database = {"PGPASSWORD": keys.roles["mlflow"]}
    client = {name: value for name, value in shared.items() if name.startswith(("MLFLOW_", "PG"))}
    airflow = {
        **{name: value for name, value in shared.items() if name.startswith(("AIRFLOW__", "PG"))},
        **airflow_settings(state, keys, ports),
        **_of_caller(f"TITLEHOLDER_{name}" for name in CHOICES),
        **loopback(),
    }
    reading, appending = (records_settings(keys, ports, role) | client for role in ("ledger_reader", "ledger"))
    ledger = {name: value for name, value in reading.items() if name == "TITLEHOLDER_LEDGER_URL"}
    signing = {"TITLEHOLDER_SIGNING_KEY": keys.signing}
    steps = appending | steps_settings(state, keys, ports) | signing
    own: dict[str, dict[str, str]] = {
        "postgres": {},
        "mlflow": {**client, **database, **_mlflow(keys, ports)},
        "mlflow-migration": {**client, **database},
        "mlflow-gc": {**client, **database, **mlflow_login(keys, WRITER)},
        "airflow-migration": airflow,
        "api-server": airflow | reading,
        "scheduler": {**_passed_on(), **_outgoing(), **airflow, **steps},
        "dag-processor": {**_outgoing(), **airflow, **ledger},
        "triggerer": {**_outgoing(), **airflow},
    }
    return base() | own[process]


def base() -> dict[str, str]:
    """What every process gets."""
    names = [*BASE, *(n for n in os.environ if n.startswith("LC_") or n.endswith("_NUM_THREADS"))]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**_of_caller(names), "PATH": path, "PYTHONUNBUFFERED": "1"}


def _outgoing() -> dict[str, str]:
    """For what reaches other machines: proxies, certificates, connections and variables of Airflow."""
    proxies = [*OUTGOING, *(name.upper() for name in OUTGOING)]
    return _of_caller([*proxies, *(n for n in os.environ if n.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")))])


def _mlflow(keys: Keys, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "MLFLOW_BACKEND_STORE_URI": mlflow_database(ports["postgres"]),
        **{variable: keys.mlflow[user] for user, variable in PASSWORDS.items()},
        # The package's entry point names the app that asks for the login; its code is here.
        "PYTHONPATH": str(PROJECT / "include"),
        # The job runner and its eight consumers cost 1.9 GB and a minute, and nothing here uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _passed_on() -> dict[str, str]:
    names = [name.strip() for name in os.environ.get(PASS_ON, "").split(",") if name.strip()]
    if missing := [name for name in names if name not in os.environ]:
        raise ServiceError(f"{PASS_ON} names {', '.join(missing)}, which is not set here. Set it, or do not name it.")
    return _of_caller(names)


def _of_caller(names: Iterator[str] | list[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
