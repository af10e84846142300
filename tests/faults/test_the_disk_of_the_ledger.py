"""A byte of the ledger that flips on the disk. It comes last: whatever is read of the table meanwhile fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from localstack import postgres
from localstack.keys import load_keys
from localstack.ports import HOST
from localstack.postgres import SUPERUSER
from support.fault_cases import first_month
from support.fragile import Fragile
from titleholder.errors import ServiceError
from titleholder.settings import Settings
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow
PAGE = 8192


@contextmanager
def flipped_on_disk(fragile: Fragile, text: str) -> Iterator[None]:
    """One bit of a text in the file of the ledger's table; in the end its page is as it was."""
    with superuser(fragile) as cursor:
        cursor.execute("SELECT pg_relation_filepath('titleholder.decisions')")
        file = fragile.state.postgres / cursor.fetchone()[0]
    postgres.stop_server(fragile.state)
    whole = file.read_bytes()
    assert whole.count(text.encode()) == 1
    place = whole.index(text.encode())
    page = place - place % PAGE
    write_at(file, place, bytes([whole[place] ^ 1]))
    fragile.start_postgres()
    try:
        yield
    finally:
        postgres.stop_server(fragile.state)
        write_at(file, page, whole[page : page + PAGE])
        fragile.start_postgres()


def write_at(file: Path, place: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(content)


@contextmanager
def superuser(fragile: Fragile) -> Iterator[psycopg2.extensions.cursor]:
    port, password = fragile.state.read().ports["postgres"], load_keys(fragile.state).roles[SUPERUSER]
    opened = psycopg2.connect(host=HOST, port=port, user=SUPERUSER, password=password, dbname="titleholder")
    opened.autocommit = True
    try:
        with opened.cursor() as cursor:
            yield cursor
    finally:
        opened.close()


def test_a_byte_of_the_ledger_that_flipped_on_the_disk(fragile: Fragile, settings: Settings) -> None:
    """PostgreSQL's checksums find it first; where they are ignored, or the server had none, the chain of hashes does."""
    row = first_month("flipped", settings)
    with flipped_on_disk(fragile, row.hash[:40]):
        with pytest.raises(ServiceError, match="invalid page"):
            audit(["flipped"], settings=settings)
        try:
            with superuser(fragile) as cursor:
                cursor.execute("ALTER ROLE ledger SET ignore_checksum_failure = on")
            postgres.stop_server(fragile.state)
            fragile.start_postgres()
            found = audit(["flipped"], settings=settings).findings
            assert ("chain", row.id) in [(f.check, f.decision) for f in found]
        finally:
            with superuser(fragile) as cursor:
                cursor.execute("ALTER ROLE ledger RESET ignore_checksum_failure")
    assert audit(["flipped"], settings=settings).findings == ()
