"""Spec files of tests: written with pieces replaced, and what the loader says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.factories import SQL, YAML
from titleholder.errors import SpecError
from titleholder.spec.loader import load_spec


def write(folder: Path, text: str = YAML, sql: str | None = SQL, name: str = "small") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    if sql is not None:
        (folder / "small.sql").write_text(sql)
    return path


def bent(*changes: tuple[str, str]) -> str:
    """The valid YAML with pieces of it replaced, each of which must be there."""
    text = YAML
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def complaint(folder: Path, text: str, sql: str | None = SQL) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(write(folder, text, sql))
    return str(caught.value)


def line_of(text: str, piece: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if piece in line)
