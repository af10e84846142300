"""Snapshots and stored scores as objects, on a real server of the S3 protocol."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from s3fs import S3FileSystem

from support import retraining
from support.object_stores import Bucket, s3
from support.succession_world import AS_OF, World, write_model
from titleholder.data import snapshots
from titleholder.data.scores import ScoreKey, ScoreStore
from titleholder.data.snapshots import Extract
from titleholder.data.storage import storage_of
from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.settings import Settings
from titleholder.workflow.audit import audit
from titleholder.workflow.garbage.collection import collect

pytestmark = pytest.mark.slow
ROWS = pa.table(
    {
        "id": range(200_000),
        "at": pd.date_range("2024-01-01", periods=200_000, freq="min", tz="UTC"),
        "x": np.random.default_rng(1).normal(size=200_000),
    }
)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with s3() as client:
        yield client


@pytest.fixture
def bucket(server: Any) -> Bucket:
    name = f"b-{uuid4().hex}"
    server.create_bucket(Bucket=name)
    server.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Bucket(name, server)


def write(root: str) -> Extract:
    return snapshots.write(root, "m/2024-06-01", ROWS.schema, iter(ROWS.to_batches(max_chunksize=50_000)))


def key_of(uri: str, bucket: Bucket) -> str:
    return uri.removeprefix(f"s3://{bucket.name}/")


def test_equal_rows_are_put_once_and_nothing_is_renamed_or_deleted(bucket: Bucket) -> None:
    first, again = write(bucket.address), write(bucket.address)
    assert first.uri == again.uri == f"{bucket.address}/m/2024-06-01/{first.sha256}.parquet"
    assert bucket.versions() == [key_of(first.uri, bucket)]
    assert hashlib.sha256(bucket.content(key_of(first.uri, bucket))).hexdigest() == first.sha256
    snapshots.verify(first.uri, first.sha256)
    with snapshots.opened(first.uri, first.sha256) as extract:
        pd.testing.assert_frame_equal(extract.read(), ROWS.to_pandas())
        assert len(extract.read(["x"], event_time="at", end=date(2024, 2, 1))) == 31 * 1440


def test_of_sixteen_writers_at_once_one_puts_the_object(bucket: Bucket) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = {extract.uri for extract in pool.map(lambda _: write(bucket.address), range(16))}
    assert bucket.versions() == [key_of(uri, bucket) for uri in found]


def test_large_objects_are_put_in_parts_and_on_the_same_condition(bucket: Bucket, tmp_path: Path) -> None:
    (draft := tmp_path / "draft").write_bytes(content := np.random.default_rng(1).bytes(110_000_000))
    store, base = storage_of(bucket.address)
    for _ in range(2):
        store.put(draft, f"{base}/large", hashlib.sha256(content).hexdigest())
    assert bucket.versions() == ["titleholder/large"]
    with store.local(f"{base}/large") as copy:
        assert Path(copy).read_bytes() == content


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_a_damaged_object_is_refused_and_written_again_by_the_next_run(
    bucket: Bucket, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = write(bucket.address)
    key = key_of(first.uri, bucket)
    content = bucket.content(key)
    bucket.put(key, {"truncated": content[:1000], "empty": b"", "flipped": content[:5000] + b"!" + content[5001:]}[how])
    with (
        pytest.raises(DataError, match=f"{first.uri} was changed.* Run the same as-of date and lane again"),
        snapshots.opened(first.uri, first.sha256),
    ):
        pass
    write(bucket.address)
    assert "is damaged, and is written again" in caplog.text
    snapshots.verify(first.uri, first.sha256)


def test_scores_grow_and_are_never_those_of_another(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    key, store = ScoreKey("m", "r", "s"), ScoreStore(bucket.address)
    assert store.training_note(key) is None
    assert store.scores(key, np.array([0, 2]), lambda missing: missing / 10).tolist() == [0.0, 0.2]
    assert store.scores(key, np.array([2, 3]), lambda missing: missing / 10).tolist() == [0.2, 0.3]
    assert ScoreStore(bucket.address).scores(key, np.arange(4)[[0, 2, 3]], lambda _: 1 / 0).tolist() == [0.0, 0.2, 0.3]
    bucket.put(f"titleholder/{ScoreKey('m', 'other', 's').path}", bucket.content(f"titleholder/{key.path}"))
    assert store.stored(ScoreKey("m", "other", "s"), np.array([0])) is None
    assert "they are not what was written there" in caplog.text


def test_objects_are_listed_and_only_old_ones_removed(bucket: Bucket) -> None:
    store, base = storage_of(bucket.address)
    assert list(store.files(f"{base}/none")) == []
    bucket.put("titleholder/a/b/one", b"12345")
    (found,) = store.files(base)
    assert (found.path, found.size) == (f"{bucket.name}/titleholder/a/b/one", 5)
    assert found.put_at == pytest.approx(time.time(), abs=60)
    assert not store.remove(found.path, time.time() - 1000)
    assert store.remove(found.path, time.time() + 1000)
    assert list(store.files(base)) == []
    assert store.remove(found.path, time.time()), "gone already"


@pytest.fixture
def known_to_nobody() -> Iterator[None]:
    """The clients of this test stay its own."""
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("known_to_nobody")
def test_a_store_that_is_away_or_refuses_is_an_error_of_a_service(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, nowhere = write(bucket.address), "s3://no-such-bucket/x"
    for failing in (
        lambda: write(nowhere),
        lambda: ScoreStore(nowhere).store_training(ScoreKey("m", "r", "s"), np.arange(1), np.zeros(1)),
    ):
        with pytest.raises(ServiceError, match=r"no-such-bucket.* cannot be written"):
            failing()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(ServiceError, match="cannot be read now"):
        snapshots.verify(found.uri, found.sha256)
    with pytest.raises(ServiceError, match="cannot be written"):
        write(bucket.address)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://example.org/x", "no store https://; there are s3, gs, az, or a folder"),
        ("simplecache::s3://bucket/x", "no store simplecache::s3://"),
        ("s3://bucket::file:///etc", "names more than one store"),
        ("gs://bucket/x", r"needs the library gcsfs, which is not installed: pip install 'titleholder\[gcs\]'"),
    ],
)
def test_other_stores_are_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        storage_of(address)


def test_a_month_on_an_object_store_alone_is_promoted_audited_and_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, bucket: Bucket
) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    write_model(tmp_path, "tiny_on_s3")
    world = World("tiny_on_s3", dataclasses.replace(settings, snapshots=bucket.address))
    decided = world.decide(AS_OF)
    assert decided.champion_after == world.champion() == decided.challenger
    assert decided.snapshot_uri.startswith(bucket.address)
    assert not [key for key in bucket.versions() if key.startswith("-")], "nothing is deleted"
    again = retraining.extract("tiny_on_s3", AS_OF, "live", world.settings)
    assert (again.uri, again.sha256) == (decided.snapshot_uri, decided.snapshot_sha256)
    assert audit(["tiny_on_s3"], settings=world.settings).findings == ()
    later = time.time() + timedelta(days=60).total_seconds()
    kept = collect(["tiny_on_s3"], older_than=timedelta(days=30), now=later, settings=world.settings, delete=True)
    assert not [freed for freed in kept.freed if freed.kind == "snapshots"]
    snapshots.verify(decided.snapshot_uri, decided.snapshot_sha256)
