"""The ledger's schema, by Alembic. Light to import: every start of the local stack calls it."""

from __future__ import annotations

from pathlib import Path

from titleholder.ledger.database import engine, reachable
from titleholder.ledger.rights import Roles


def migrate(owner_url: str, roles: Roles | None = None) -> None:
    """Bring the ledger's schema up to date, as its owner, and give the roles their rights, no others."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    with reachable(), engine(owner_url).begin() as connection:
        config.attributes.update(connection=connection, roles=roles or Roles())
        command.upgrade(config, "head")
