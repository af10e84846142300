"""The guards of append-only tables, which every migration that makes one gives it."""

from __future__ import annotations

from alembic import op

GUARDS = (("no_change", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT"))


def guard(*tables: str) -> None:
    """Have `titleholder.refuse_change` refuse every change of the rows of these tables, and that they are emptied."""
    for table in tables:
        for trigger, events, each in GUARDS:
            op.execute(
                f"CREATE TRIGGER {trigger} BEFORE {events} ON titleholder.{table} "
                f"FOR EACH {each} EXECUTE FUNCTION titleholder.refuse_change()"
            )
            always(table, trigger)


def always(table: str, trigger: str) -> None:
    """Have a trigger fire whatever `session_replication_role` is."""
    op.execute(f"ALTER TABLE titleholder.{table} ENABLE ALWAYS TRIGGER {trigger}")
