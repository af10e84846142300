"""The secrets of the local stack: generated once per state folder, never a default, never shared between stacks."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, fields

from localstack.state import State, write_private
from titleholder.errors import ServiceError
from titleholder_mlflow.login import PASSWORDS

ROLES = ("postgres", "airflow", "mlflow", "loader", "reader", "ledger_owner", "ledger", "ledger_reader")
ADMIN = "admin"


@dataclass(frozen=True, repr=False)
class Keys:
    """Passwords by database role and by user of MLflow, and the keys of the services."""

    roles: dict[str, str]
    mlflow: dict[str, str]
    fernet: str
    jwt: str
    api: str
    signing: str
    admin: str


def load_keys(state: State) -> Keys:
    """The secrets of a stack that exists.

    Raises:
        ServiceError: there is no readable secrets.json.
    """
    try:
        raw = json.loads(state.secrets.read_text())
        keys = Keys(**{item.name: raw[item.name] for item in fields(Keys)})
    except FileNotFoundError:
        raise ServiceError(f"No local stack in {state.root}. Start one with `titleholder stack up`.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"The secrets in {state.secrets} cannot be read: {error!r}.") from error
    missing = [role for role in ROLES if role not in keys.roles] + [
        user for user in PASSWORDS if user not in keys.mlflow
    ]
    if missing:
        raise ServiceError(f"{state.secrets} has no password for {', '.join(missing)}.")
    return keys


def ensure_keys(state: State) -> Keys:
    """The secrets, generated on first use.

    Raises:
        ServiceError: a database exists whose passwords are lost.
    """
    if state.secrets.exists():
        return load_keys(state)
    if state.postgres.exists():
        raise ServiceError(
            f"{state.secrets} is missing, and with it the passwords of the database in {state.postgres}. "
            "Restore the file, or delete the stack's data with `titleholder stack clean`."
        )
    keys = _make_keys()
    write_private(state.secrets, json.dumps(asdict(keys), indent=2) + "\n")
    return keys


def _make_keys() -> Keys:
    return Keys(
        roles={role: secrets.token_urlsafe(24) for role in ROLES},
        mlflow={user: secrets.token_urlsafe(24) for user in PASSWORDS},
        fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt=secrets.token_urlsafe(64),
        api=secrets.token_urlsafe(32),
        signing=secrets.token_urlsafe(48),
        admin=secrets.token_urlsafe(16),
    )
