"""The simulated lender and the real loans in the warehouse of the tests, for the tests about time."""

from __future__ import annotations

import functools
import os
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from demo.lender import Lender, simulate
from demo.load import load
from titleholder.cli.main import app
from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.model import ModelSpec

LOANS = Path(__file__).parents[3] / "shared" / "data" / "lending_club.parquet"
END, MONTHS = date(2024, 1, 1), 22
needs_loans = pytest.mark.skipif(
    not LOANS.exists(), reason="the real loans (../shared/data/lending_club.parquet) are not here"
)


def a_lender(url: str, per_month: int = 60, seed: int = 7) -> Lender:
    """Fill the schema `lender` unless it is filled like that already."""
    lender = simulate(END, MONTHS, per_month, seed)
    load(url, lender)
    return lender


def load_loans() -> None:
    """Fill the table `lending_club` of the warehouse, which no test changes, unless this session has filled it."""
    _load_loans(os.environ["TITLEHOLDER_LOADER_URL"])


@functools.cache
def _load_loans(warehouse: str) -> None:
    done = CliRunner().invoke(app, ["load", str(LOANS), "--table", "lending_club", "--replace"])
    assert "42,535 rows in lending_club" in done.output, f"{warehouse}: {done.output}"


def shipped(name: str) -> ModelSpec:
    return load_specs(DEFAULT_FOLDER, only=name)[name]


def changed(spec: ModelSpec, *edits: tuple[str, str]) -> ModelSpec:
    """The spec with another query: each text replaced by the other, which must make a difference."""
    sql = spec.sql
    for old, new in edits:
        assert old in sql, f"{old!r} is not in the query"
        sql = sql.replace(old, new)
    return spec.model_copy(update={"sql": sql})


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
