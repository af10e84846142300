"""Files that are damaged under a run, and a byte of the ledger that flipped on the disk."""

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
from support.fault_cases import FIRST, SECOND, Calm, first_month, outcome
from support.fragile import Fragile
from support.retraining import challenge, extract, retrain, settle
from titleholder.errors import DataError, ServiceError
from titleholder.ledger import store
from titleholder.registry.client import Registry, registry_at
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def model_file(fragile: Fragile, uri: str) -> Path:
    (found,) = fragile.state.artifacts.glob(f"*/models/{uri.rpartition('/')[2]}/artifacts/model.skops")
    return found


def test_a_snapshot_truncated_between_extract_and_training(fragile: Fragile, settings: Settings, calm: Calm) -> None:
    first_month("truncated", settings)
    snapshot = extract("truncated", SECOND, "live", settings, candidates=("scorecard",))
    truncate(Path(snapshot.uri))
    with pytest.raises(DataError, match=f"snapshot {snapshot.uri} was changed: .* Run the same as-of date"):
        steps.train(snapshot, "scorecard", settings=settings)
    retrain("truncated", SECOND, "live", settings, report=True)
    rows = store.read(settings.ledger_url, "truncated", "live")
    assert [outcome(r, rows) for r in rows] == [outcome(r, calm.rows) for r in calm.rows]
    assert audit(["truncated"], settings=settings).findings == ()


@pytest.mark.parametrize("whose", ["challenger", "champion"])
def test_a_model_truncated_before_it_is_judged(fragile: Fragile, settings: Settings, whose: str) -> None:
    """It is refused by name and nothing is decided; with the file restored the same run goes on."""
    champion, lane = first_month("truncated", settings), "live" if whose == "champion" else "truncated"
    found = challenge("truncated", FIRST.replace(month=4), lane, settings)
    before = store.read(settings.ledger_url, "truncated", lane)
    uri = (champion if whose == "champion" else found).nominee.model.uri
    file = model_file(fragile, uri)
    whole = file.read_bytes()
    truncate(file)
    registry_at.cache_clear()  # another process would read the file
    with pytest.raises(DataError, match=uri):
        settle(found, settings)
    assert store.read(settings.ledger_url, "truncated", lane) == before
    assert Registry(settings.tracking_uri).models.champion("truncated") == store.champion(
        settings.ledger_url, "truncated", "live"
    )
    file.write_bytes(whole)
    assert settle(found, settings).challenger_version == found.version


@contextmanager
def flipped_on_disk(fragile: Fragile, text: str) -> Iterator[None]:
    """One bit of a text in the file of the ledger's table, while PostgreSQL is stopped; in the end as it was."""
    with superuser(fragile) as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_relation_filepath('titleholder.decisions')")
        file = fragile.state.postgres / cursor.fetchone()[0]
    _flip(fragile, file, text.encode())
    try:
        yield
    finally:
        _flip(fragile, file, bytes([text.encode()[0] ^ 1]) + text.encode()[1:])


def _flip(fragile: Fragile, file: Path, text: bytes) -> None:
    postgres.stop_server(fragile.state)
    content = bytearray(file.read_bytes())
    assert content.count(text) == 1
    content[content.index(text)] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    fragile.start_postgres()


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
