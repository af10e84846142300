"""The ledger: does it answer, is its schema that of this version, and may its roles do just what they need."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text

from titleholder.ledger import guards, migrations
from titleholder.ledger.database import engine, reachable
from titleholder.ledger.rights import SCHEMA
from titleholder.workflow.doctor import clock, powers
from titleholder.workflow.doctor.report import Check, ok, skipped, warning, wrong
from titleholder.workflow.doctor.services import LEDGER, OWNER, Service

MIGRATE = f"Set {OWNER} and run `titleholder migrate`"
RIGHTS = f"{MIGRATE}, which restores what is missing; REVOKE as the owner what is too much"
_ROLES = """
SELECT rolname AS role, rolcanlogin AS logs_in,
    has_database_privilege(rolname, current_database(), 'CONNECT') AS connects,
    has_database_privilege(rolname, current_database(), 'TEMPORARY') AS temporary,
    EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid AND proname = 'append'
        AND has_function_privilege(rolname, pg_proc.oid, 'EXECUTE')) AS appends
FROM pg_namespace AS n, aclexplode(nspacl) AS a JOIN pg_roles ON pg_roles.oid = grantee
WHERE nspname = :schema AND grantee <> nspowner AND privilege_type = 'USAGE' ORDER BY rolname
"""


def ledger(service: Service) -> Iterator[Check]:
    """The ledger as the role of this environment sees it."""
    url = os.environ.get(LEDGER, "")
    if not url:
        yield skipped("ledger", f"{LEDGER} is not set")
        return
    with reachable(), engine(url, short=True, any_schema=True).connect() as connection:
        before = time.time()
        row = dict(connection.execute(text(powers.QUERY)).mappings().one())
        yield ok("ledger", f"{row['role']} can log in")
        yield clock.compared("ledger: clock", before, row["now"], time.time())
        yield _server(row["number"], row["version"])
        yield powers.judged("ledger: role", row)
        if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
            yield wrong("ledger: schema", f"the database has no schema {SCHEMA}", MIGRATE)
            return
        yield from _roles(connection, service, row["role"])
        temporary = row["temporary"]
    if temporary:
        yield from _guards(url)
    else:
        yield wrong(
            "ledger: schema", f"{row['role']} may not make temporary tables, with which the schema is compared",
            f"GRANT TEMPORARY ON DATABASE … TO {row['role']}",
        )  # fmt: skip


def _server(number: int, version: str) -> Check:
    if number < powers.OLDEST:
        return wrong("ledger: PostgreSQL", version, f"Use PostgreSQL {powers.OLDEST // 10000} or newer")
    return ok("ledger: PostgreSQL", version)


def _roles(connection: Connection, service: Service, own: str) -> Iterator[Check]:
    """Every role with rights on the ledger can log in, and there is one that appends and one that only reads."""
    roles = list(connection.execute(text(_ROLES), {"schema": SCHEMA}))
    for row in roles:
        if not (row.logs_in and row.connects):
            grant = f"ALTER ROLE {row.role} LOGIN; GRANT CONNECT ON DATABASE … TO {row.role}"
            yield wrong("ledger: roles", f"{row.role} cannot log in to this database", grant)
    appending, reading = ([row.role for row in roles if row.appends is appends] for appends in (True, False))
    for kind, found, option in (("appends", appending, "--app-role"), ("only reads", reading, "--reader-role")):
        if not found:
            yield wrong("ledger: roles", f"no role {kind}", f"Make one, then {MIGRATE} {option} NAME")
    if appending and reading:
        yield ok("ledger: roles", f"{', '.join(appending)} appends, {', '.join(reading)} only reads")
    yield _own(service, own, appends=own in appending)


def _own(service: Service, own: str, *, appends: bool) -> Check:
    does = "appends" if appends else "only reads"
    if appends == service.appends:
        return ok("ledger: own role", f"{own} {does}, as this service should")
    if appends:
        return warning("ledger: own role", f"{own} appends", f"This service only reads: use such a role in {LEDGER}")
    return wrong("ledger: own role", f"{own} only reads", f"This service appends: use such a role in {LEDGER}")


def _guards(url: str) -> Iterator[Check]:
    """Schema and rights, compared with what the migrations of this version make."""
    faults = guards.faults(url)
    for fault in faults:
        yield wrong("ledger: schema and rights", fault, f"{RIGHTS}; `titleholder audit` says more")
    if not faults:
        yield ok("ledger: schema and rights", f"as the migrations of this version make them ({_newest()})")


def owner() -> Iterator[Check]:
    """The version of the schema, which only its owner may read."""
    url = os.environ.get(OWNER, "")
    if not url:
        yield skipped("ledger: owner", f"{OWNER} is not set, and is needed for `titleholder migrate` only")
        return
    with reachable(), engine(url, short=True, any_schema=True).connect() as connection:
        exists = connection.scalar(text(f"SELECT to_regclass('{SCHEMA}.alembic_version')"))
        found = connection.scalar(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")) if exists else "none"  # noqa: S608
    newest = _newest()
    if found == newest:
        yield ok("ledger: owner", f"can log in; the schema has the version {found}")
    else:
        yield wrong("ledger: owner", f"the schema has the version {found}, not {newest}", MIGRATE)


def _newest() -> str:
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head())
