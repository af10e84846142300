"""The ledger's schema, by Alembic. Light to import: every start of the local stack calls it."""

from __future__ import annotations

from pathlib import Path

from titleholder.errors import UsageError, one_line
from titleholder.ledger.database import SCHEMA_VERSION, engine, reachable
from titleholder.ledger.rights import Roles
from titleholder.settings import code_version


def migrate(owner_url: str, roles: Roles | None = None) -> None:
    """Bring the ledger's schema up to date, as its owner, and give the roles their rights, no others.

    UsageError where a newer Titleholder has migrated it already: nothing goes back.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    with reachable(), engine(owner_url, any_schema=True).begin() as connection:
        config.attributes.update(connection=connection, roles=roles or Roles())
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise UsageError(
                f"this Titleholder ({code_version()}) knows the ledger's schema up to {SCHEMA_VERSION}, and the ledger "
                f"is newer ({one_line(error)}). Migrations only go forward: install the version that migrated it, or a "
                "newer one. Nothing was changed"
            ) from None
