"""Titleholder of one version and a ledger of another: it says which of the two to upgrade; and the runbook's query."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from localstack.postgres import SUPERUSER
from localstack.settings import ledger_url
from localstack.state import State
from support.dagbag import ROOT
from titleholder.errors import ServiceError, UsageError
from titleholder.ledger import database, migrations, store
from titleholder.settings import Settings

NEEDED, OWNER = database.SCHEMA_VERSION, "ledger_owner"


def as_superuser(state: State, statement: str) -> None:
    with create_engine(ledger_url(state, SUPERUSER), poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(statement)


@contextmanager
def a_ledger_of(version: str, state: State) -> Iterator[None]:
    """The ledger as another version left it; pools of this process look again before and afterwards."""
    database.engine.cache_clear()
    as_superuser(state, f"UPDATE titleholder.alembic_version SET version_num = '{version}'")
    try:
        yield
    finally:
        as_superuser(state, f"UPDATE titleholder.alembic_version SET version_num = '{database.SCHEMA_VERSION}'")
        database.engine.cache_clear()


def test_the_version_of_the_code_is_that_of_its_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == database.SCHEMA_VERSION


def test_older_code_refuses_a_newer_ledger(state: State, settings: Settings) -> None:
    with a_ledger_of("9999", state):
        said = rf"schema has version 9999, and this is Titleholder .*, which needs {NEEDED}: an older one\. Install"
        with pytest.raises(ServiceError, match=said):
            store.models(settings.ledger_url)
        with pytest.raises(UsageError, match=r"and the ledger is newer .*Migrations only go forward"):
            migrations.migrate(ledger_url(state, OWNER))
        command = [sys.executable, "-m", "titleholder.cli.main", "history", "tiny"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 3
        assert "Traceback" not in done.stderr
        assert f"which needs {NEEDED}: an older one. Install" in " ".join(done.stderr.split())
    assert store.models(settings.ledger_url) is not None


def test_newer_code_refuses_an_older_ledger(state: State, settings: Settings) -> None:
    with (
        a_ledger_of("0000", state),
        pytest.raises(
            ServiceError, match=rf"has version 0000, and this is .* needs {NEEDED}: run `titleholder migrate`"
        ),
    ):
        store.models(settings.ledger_url)


def test_a_role_that_cannot_read_the_version_is_told_to_migrate(state: State, settings: Settings) -> None:
    database.engine.cache_clear()
    as_superuser(state, "REVOKE SELECT ON titleholder.alembic_version FROM ledger")
    try:
        with pytest.raises(ServiceError, match=r"no version that this role may read, .*: run `titleholder migrate`"):
            store.models(settings.ledger_url)
        migrations.migrate(ledger_url(state, OWNER))
        assert store.models(settings.ledger_url) is not None, "without a new pool"
    finally:
        as_superuser(state, "GRANT SELECT ON titleholder.alembic_version TO ledger")
        database.engine.cache_clear()


def test_the_query_of_the_runbook_names_who_holds_a_lock(state: State, settings: Settings) -> None:
    (query,) = re.findall(r"```sql\n(SELECT pid.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    with create_engine(ledger_url(state, SUPERUSER), poolclass=NullPool).connect() as connection:
        with store.alias_locked(settings.ledger_url, "tiny"):
            (held,) = connection.exec_driver_sql(query).mappings()
        assert (held["usename"], held["state"]) == ("ledger", "idle in transaction")
        assert "pg_advisory_xact_lock" in held["query"]
