"""Write .env with new secrets for the docker compose stack, readable by its owner only. An existing .env is kept.

Only the standard library: `python compose/make_env.py [FILE]` works before anything is installed.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path


def _password() -> str:
    return secrets.token_urlsafe(32)  # part of addresses: no character may need quoting


def _fernet() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": _password,
    "AIRFLOW_DB_PASSWORD": _password,
    "MLFLOW_DB_PASSWORD": _password,
    "LOADER_DB_PASSWORD": _password,
    "READER_DB_PASSWORD": _password,
    "LEDGER_OWNER_DB_PASSWORD": _password,
    "LEDGER_DB_PASSWORD": _password,
    "LEDGER_READER_DB_PASSWORD": _password,
    "MLFLOW_WRITER_PASSWORD": _password,
    "MLFLOW_READER_PASSWORD": _password,
    "BROKER_PASSWORD": _password,
    "STORE_ACCESS_KEY": lambda: secrets.token_hex(16),
    "STORE_SECRET_KEY": _password,
    "AIRFLOW_FERNET_KEY": _fernet,
    "AIRFLOW_API_SECRET_KEY": _password,
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_urlsafe(64),
    "AIRFLOW_ADMIN_PASSWORD": _password,
    "TITLEHOLDER_SIGNING_KEY": lambda: secrets.token_urlsafe(48),
}


def main(file: str = "") -> str | None:
    """Write the file and print a line about it; returns what went wrong, if anything did."""
    path = Path(file) if file else Path(__file__).resolve().parents[1] / ".env"
    lines = [f"{name}={make()}\n" for name, make in SECRETS.items()]
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return f"{path} exists and is kept: the databases know its passwords. See docs/compose.md for changing one."
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}."
    with os.fdopen(handle, "w") as out:
        out.writelines(lines)
    print(f"{path}: {len(lines)} secrets, readable by you only. Keep a copy where you keep secrets.")  # noqa: T201
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
