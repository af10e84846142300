"""Alembic's entry: run the migrations on the connection that `titleholder.ledger.migrations.migrate` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from titleholder.ledger.rights import SCHEMA, Roles, rights


def grant(connection: Connection, roles: Roles) -> None:
    """Let the roles do what they may, and everybody else nothing."""
    quote = connection.dialect.identifier_preparer.quote
    connection.execute(text(f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC"))
    for role, granted in rights(roles).items():
        for right, things in granted.items():
            for thing in things:
                connection.execute(text(f"GRANT {right} ON {thing} TO {quote(role)}"))


connection = context.config.attributes["connection"]
connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
context.configure(connection=connection, version_table_schema=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
    grant(connection, context.config.attributes["roles"])
