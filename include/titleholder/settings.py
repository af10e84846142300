"""Addresses of the services, read from the environment."""

from __future__ import annotations

import difflib
import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from titleholder.errors import ServiceError, UsageError


@dataclass(frozen=True, repr=False)
class Settings:
    """Addresses of the ledger, MLflow and the snapshots. Not printable, because addresses contain passwords.

    Those of MLflow and the snapshots contain none: the one is in messages and links, the other in the ledger for good.

    >>> Settings("postgresql://ledger:secret@db/titleholder", "http://mlflow:5000", "s3://snapshots").tracking_uri
    'http://mlflow:5000'
    """

    ledger_url: str
    tracking_uri: str
    snapshots: str

    def __post_init__(self) -> None:
        if "@" in self.tracking_uri:
            raise UsageError(
                "MLFLOW_TRACKING_URI has a login, which would be in messages and logs. Leave it out of the address: "
                "it is in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        if "://" in self.snapshots and (found := next((c for c in "@?#" if c in self.snapshots), "")):
            raise UsageError(
                f"TITLEHOLDER_SNAPSHOTS has {found!r}: it is an address such as s3://bucket/prefix, without "
                "credentials and options, because the ledger stores it permanently. A store reads them from the "
                "environment: for S3 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL"
            )

    @classmethod
    def from_environment(cls) -> Self:
        """Read `TITLEHOLDER_LEDGER_URL`, `MLFLOW_TRACKING_URI` and `TITLEHOLDER_SNAPSHOTS`.

        Raises:
            ServiceError: naming the variable that is not set.
        """
        return cls(need("TITLEHOLDER_LEDGER_URL"), need("MLFLOW_TRACKING_URI"), need("TITLEHOLDER_SNAPSHOTS"))


SIGNING_KEY = "TITLEHOLDER_SIGNING_KEY"
"""The variable with the key that signs what one task of Airflow hands on to the next."""
SIGNING_KEY_BYTES = 32
"""The least length of that key: that of the signature."""
CONNECTION = "AIRFLOW_CONN_"
"""What the name of an environment variable with the address of a connection begins with."""


def connection_url(connection: str) -> str:
    """The URI of an Airflow connection from the environment variable `AIRFLOW_CONN_<ID>`.

    Raises:
        UsageError: when the variable is not set and those of other connections are.
        ServiceError: when there are no connections at all.
    """
    if url := os.environ.get(f"{CONNECTION}{connection.upper()}"):
        return url
    if any(name.startswith(CONNECTION) for name in os.environ):
        raise UsageError(unknown_connection(connection))
    return need(f"{CONNECTION}{connection.upper()}")


def unknown_connection(connection: str) -> str:
    """One sentence about a connection that is not there: what it is, the nearest name, and those of the environment."""
    known = sorted(name.removeprefix(CONNECTION).lower() for name in os.environ if name.startswith(CONNECTION))
    close = difflib.get_close_matches(connection.lower(), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"no connection {connection!r}: {CONNECTION}{connection.upper()}, the address of what `source.connection` or "
        f"`training.engine` of a spec names, is not set.{hint} Connections of this environment: "
        f"{', '.join(known) or 'none'}"
    )


def need(name: str) -> str:
    """The value of an environment variable.

    Raises:
        ServiceError: naming the variable, when it is not set.
    """
    if value := os.environ.get(name):
        return value
    raise ServiceError(
        f"{name} is not set. Start the local stack with `make up` (its addresses are then used automatically), "
        "or set it to the service you use."
    )


def docs_base() -> str:
    """The address of the documentation's folder, from `TITLEHOLDER_DOCS_URL`; empty when it is not set."""
    return os.environ.get("TITLEHOLDER_DOCS_URL", "")


def code_version(bundle: str = "") -> str:
    """The package's version and, in a checkout, its commit (`+dirty` with uncommitted changes); with a DAG bundle that
    too, in which there may be no checkout.
    """
    return f"{_own_version()}, bundle {bundle}" if bundle else _own_version()


@lru_cache(maxsize=1)
def _own_version() -> str:
    try:
        number = version("titleholder")
    except PackageNotFoundError:
        number = "0"
    if given := os.environ.get("TITLEHOLDER_CODE_VERSION"):
        return given
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+dirty", "--exclude=*"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return number
    return f"{number}-{found.stdout.strip()}"
