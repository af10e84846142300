"""Databases and roles, by the file that docker compose's PostgreSQL runs too: `compose/initdb/roles.sql`.

As on a production server, each service has a database of its own and cannot read another's.
"""

from __future__ import annotations

import subprocess
from contextlib import closing

from localstack.keys import ROLES, Keys
from localstack.ports import HOST
from localstack.postgres import SUPERUSER, binaries
from localstack.state import PROJECT
from titleholder.errors import ServiceError

SCRIPT = PROJECT / "compose" / "initdb" / "roles.sql"
_SECONDS = 60


def provision(keys: Keys, port: int) -> None:
    """Make every role and database that is missing, and set what each may do. Safe to repeat.

    Raises:
        ServiceError: with psql's own message.
    """
    psql = [str(binaries() / "psql"), "--no-psqlrc", "--quiet", "--no-password", f"--file={SCRIPT}"]
    where = {"PGHOST": HOST, "PGPORT": str(port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
    where["PGREQUIREAUTH"] = "scram-sha-256"
    given = {"PGPASSWORD": keys.roles[SUPERUSER], **passwords(keys)}
    try:
        subprocess.run(psql, env=where | given, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"PostgreSQL's roles cannot be made: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"PostgreSQL's roles cannot be made: {type(error).__name__}") from None


def passwords(keys: Keys) -> dict[str, str]:
    """The passwords of the roles, by the variable in which the file and `.env` have each."""
    return {f"{role.upper()}_DB_PASSWORD": keys.roles[role] for role in ROLES if role != SUPERUSER}


def answers(keys: Keys, port: int) -> bool:
    """Whether the server takes a connection and answers a query."""
    import psycopg2

    try:
        with (
            closing(
                psycopg2.connect(
                    host=HOST,
                    port=port,
                    user=SUPERUSER,
                    password=keys.roles[SUPERUSER],
                    dbname="postgres",
                    connect_timeout=2,
                    require_auth="scram-sha-256",
                    options="-c statement_timeout=20000",
                )
            ) as connected,
            connected.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except psycopg2.Error:
        return False
