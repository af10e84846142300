"""A model with a live line of three champions, and ways to tamper with the ledger as a superuser could."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
from sqlalchemy import Connection, NullPool, create_engine

from localstack.keys import load_keys
from localstack.ports import HOST
from localstack.postgres import SUPERUSER
from localstack.settings import environment, ledger_url
from localstack.state import State
from support.retraining import retrain
from support.succession_world import write_model
from titleholder.data.scores import Array, ScoreKey, ScoreStore
from titleholder.ledger import store
from titleholder.ledger.decision import Decision
from titleholder.ledger.integrity import digest
from titleholder.settings import Settings

MONTHS = [date(2024, m, 1) for m in (1, 2, 3)]
EASY = (
    "judgement: {metric: roc_auc, rule: fresh, minimum_events: 30, tolerated_loss: 0.9, minimum_gain: -0.9, "
    "floors: {roc_auc: 0.55}}"
)
"""Nearly every challenger wins."""


@contextmanager
def models_in(folder: Path, state: State) -> Iterator[Settings]:
    """The stack's settings, with the models of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(state).items():
            if name.startswith(("TITLEHOLDER_", "MLFLOW_", "AIRFLOW_CONN_")):
                patch.setenv(name, value)
        patch.setenv("TITLEHOLDER_MODELS", str(folder))
        yield Settings.from_environment()


@contextmanager
def replaced(path: Path, content: bytes | None) -> Iterator[None]:
    """Another content of a file, or none; as it was in the end, or gone where it was not there."""
    whole = path.read_bytes() if path.exists() else None
    _write(path, content)
    try:
        yield
    finally:
        _write(path, whole)


def _write(path: Path, content: bytes | None) -> None:
    path.unlink() if content is None else path.write_bytes(content)


@dataclass
class World:
    """The model, its three decisions, and the stack they were made on."""

    model: str
    settings: Settings
    state: State
    rows: list[Decision]

    @contextmanager
    def superuser(self) -> Iterator[Any]:
        """A cursor that may do everything."""
        port = self.state.read().ports["postgres"]
        password = load_keys(self.state).roles[SUPERUSER]
        with closing(
            psycopg2.connect(host=HOST, port=port, user=SUPERUSER, password=password, dbname="titleholder")
        ) as connected:
            connected.autocommit = True
            with connected.cursor() as cursor:
                cursor.execute("SET timezone = 'UTC'")
                yield cursor

    @contextmanager
    def harmed(self, statements: str) -> Iterator[Connection]:
        """A transaction of the role `ledger` in which a superuser has executed these before; it is rolled back."""
        engine = create_engine(ledger_url(self.state, SUPERUSER), poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statements)
            connection.exec_driver_sql("SET LOCAL SESSION AUTHORIZATION ledger")
            yield connection

    @contextmanager
    def unguarded(self) -> Iterator[Any]:
        """The same, with the trigger off that refuses changes."""
        with self.superuser() as cursor:
            cursor.execute("ALTER TABLE titleholder.decisions DISABLE TRIGGER no_change")
            try:
                yield cursor
            finally:
                cursor.execute("ALTER TABLE titleholder.decisions ENABLE ALWAYS TRIGGER no_change")

    @contextmanager
    def forged(self, *statements: str) -> Iterator[None]:
        """The model's rows after these statements; all of them as they were before, in the end."""
        with self.superuser() as keeper:
            keeper.execute(
                "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'titleholder.decisions'::regclass "
                "AND attnum > 0 AND attgenerated = ''"
            )
            written = keeper.fetchone()[0]
            keeper.execute(
                f"CREATE TEMP TABLE kept AS SELECT {written} FROM titleholder.decisions WHERE model = %s", (self.model,)
            )
            try:
                with self.unguarded() as cursor:
                    for statement in statements:
                        cursor.execute(statement)
                yield
            finally:
                with self.unguarded():
                    keeper.execute("DELETE FROM titleholder.decisions WHERE model = %s", (self.model,))
                    keeper.execute(
                        f"INSERT INTO titleholder.decisions ({written}) OVERRIDING SYSTEM VALUE SELECT * FROM kept"
                    )
                keeper.execute("DROP TABLE kept")

    def rewritten(self, first: int, reason: str) -> list[str]:
        """Statements that change the reason of a row and make the whole chain fit again."""
        statements, previous = [], ""
        for n, row in enumerate(store.stored(self.settings.ledger_url, self.model, "live")):
            new = row | {"previous_hash": previous, "reason": reason if n == first else row["reason"]}
            previous = digest(new)
            statements.append(
                f"UPDATE titleholder.decisions SET reason = '{new['reason']}', hash = '{previous}', "
                f"previous_hash = '{new['previous_hash']}' WHERE id = {row['id']}"
            )
        return statements

    def scores_of(self, row: Decision) -> Path:
        """The file of the scores that were stored when a version was trained."""
        return Path(self.settings.snapshots) / key_of(row).training_path

    @contextmanager
    def rescored(self, row: Decision, change: Callable[[Array], Array]) -> Iterator[None]:
        """The scores of a version's training, in the order of its snapshot, changed; as they were before, in the end."""
        file = self.scores_of(row)
        whole, stored = file.read_bytes(), pd.read_parquet(file)
        changed = change(stored["score"].to_numpy().copy())
        ScoreStore(self.settings.snapshots).store_training(key_of(row), stored["position"].to_numpy(), changed)
        try:
            yield
        finally:
            file.write_bytes(whole)


def key_of(row: Decision) -> ScoreKey:
    return ScoreKey(row.model, row.training_run_id, row.snapshot_sha256)


def build(state: State, folder: Path, settings: Settings, model: str) -> World:
    """Three months in the live lane, each of which crowns its challenger."""
    write_model(folder, model, judgement=EASY)
    rows = [retrain(model, month, "live", settings, report=True) for month in MONTHS]
    assert [r.kind for r in rows] == ["promote"] * 3
    return World(model, settings, state, rows)
