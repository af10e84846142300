"""The ledger's schema, by Alembic. Light to import: every start of the local stack calls it."""

from __future__ import annotations

from pathlib import Path

from titleholder.ledger.database import engine, reachable


def migrate(owner_url: str, app_role: str = "ledger") -> None:
    """Bring the ledger's schema up to date, as its owner; `app_role` may read and append, nothing else."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    with reachable(), engine(owner_url).begin() as connection:
        config.attributes.update(connection=connection, app_role=app_role)
        command.upgrade(config, "head")
