"""Alembic's entry: run the migrations on the connection that `titleholder.ledger.migrations.migrate` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

SCHEMA = "titleholder"

connection = context.config.attributes["connection"]
connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
context.configure(connection=connection, version_table_schema=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
