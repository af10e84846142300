"""Stored files: whole or not there, on the disk before they have their name, and healed by the next writer."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from titleholder.data import snapshots
from titleholder.data.scores import ScoreKey, ScoreStore
from titleholder.data.snapshots import Extract
from titleholder.data.storage import ABANDONED, PART, Folder
from titleholder.errors import DataError, ServiceError

ROWS = pa.table({"id": range(200_000), "x": np.random.default_rng(1).normal(size=200_000)})
OLD = ABANDONED + 60


def write(root: Path | str) -> Extract:
    return snapshots.write(str(root), "m/2024-06-01", ROWS.schema, iter(ROWS.to_batches(max_chunksize=50_000)))


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@contextmanager
def child(code: str, *arguments: object, before: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """A process that runs code of this module; it is gone afterwards."""
    script = f"import sys; from data_storage_child import *; {code}"
    (folder := Path(str(arguments[0])).parent / "code").mkdir(exist_ok=True)
    shutil.copy(__file__, folder / "data_storage_child.py")
    path = os.pathsep.join([str(folder), *sys.path])
    with subprocess.Popen(
        [*before, sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def write_slowly(root: str) -> None:
    """Write the rows, and wait for a line of the parent before the last of them."""

    def batches() -> Iterator[pa.RecordBatch]:
        every = ROWS.to_batches(max_chunksize=50_000)
        yield from every[:-1]
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        sys.stdin.readline()
        yield every[-1]

    snapshots.write(root, "m/2024-06-01", ROWS.schema, batches())


def refused(act: Callable[[], object]) -> None:
    """Print why an act was refused."""
    try:
        act()
        sys.stdout.write("done\n")
    except ServiceError as error:
        sys.stdout.write(f"{error}\n")


def write_within(root: str, limit: str) -> None:
    """Write the rows where no file may be longer than this: what a full disk does at that place."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    refused(lambda: write(root))
    refused(lambda: ScoreStore(root).store_training(ScoreKey("m", "r", "s"), np.arange(99_999), np.random.rand(99_999)))


def write_on_small_disk(root: str) -> None:
    """The same on a disk that is full, and on one that is read-only."""
    for command in (["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", root], ["mount", "-o", "remount,ro", root]):
        subprocess.run(command, check=True)
        refused(lambda: write(root))
        sys.stdout.write(f"{files(Path(root))}\n")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {"truncated": content[:1000], "empty": b"", "flipped": content[:5000] + b"!" + content[5001:]}[how]
    (other := path.with_name(f"damaged-{threading.get_ident()}")).write_bytes(changed)
    other.replace(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder; tests/integration/test_object_store.py has the same for objects."""
    return tmp_path / "store"


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_a_damaged_snapshot_is_refused_and_written_again_by_the_next_run(
    root: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What existed was taken as written: such a month could not be repaired by running it again."""
    first = write(root)
    damage(Path(first.uri), how)
    with pytest.raises(DataError, match=f"{first.uri} was changed.* Run the same as-of date and lane again"):
        snapshots.verify(first.uri, first.sha256)
    again = write(root)
    assert f"{first.uri} is damaged, and is written again" in caplog.text
    assert (again.uri, again.sha256) == (first.uri, first.sha256)
    snapshots.verify(first.uri, first.sha256)
    assert files(root) == [Path(first.uri)]
    with snapshots.opened(first.uri, first.sha256) as extract:
        assert extract.rows == ROWS.num_rows


READ = """
import sys
from titleholder.data import snapshots
for read in (snapshots.verify, snapshots.opened):
    try:
        read(sys.argv[1], "ab")
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()))
"""


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "link"])
def test_what_is_no_regular_file_is_no_snapshot(tmp_path: Path, what: str) -> None:
    """A row of the ledger may name any path; without this an audit would wait for ever, or end early."""
    path = tmp_path / "odd.parquet"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("/dev/zero")
    uri = "/dev/zero" if what == "device" else str(path)
    done = subprocess.run([sys.executable, "-c", READ, uri], capture_output=True, text=True, timeout=60, check=True)
    for refused in done.stdout.splitlines():
        assert refused.startswith("DataError ")
        assert "it is no regular file" in refused
    assert len(done.stdout.splitlines()) == 2


def test_other_users_of_the_machine_read_neither_snapshots_nor_scores(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        extract = write(tmp_path / "new" / "root")
        ScoreStore(str(tmp_path / "new" / "root")).store_training(ScoreKey("m", "r", "s"), np.arange(2), np.ones(2))
    finally:
        os.umask(before)
    made = list((tmp_path / "new").rglob("*"))
    assert Path(extract.uri) in made
    assert len([path for path in made if path.is_file()]) == 2
    assert not [path for path in (tmp_path / "new", *made) if path.stat().st_mode & 0o007]


def test_a_sound_snapshot_is_kept_and_counts_as_put_now(tmp_path: Path) -> None:
    file = Path(write(tmp_path).uri)
    age(file, 1e6)
    before = file.stat()
    write(tmp_path)
    assert file.stat().st_ino == before.st_ino
    assert time.time() - file.stat().st_mtime < 60, "or `titleholder gc` could remove it as an old one"
    assert files(tmp_path) == [file]


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noted(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append(f"sync {'part' if path.suffix == PART else path.relative_to(tmp_path)}")
        sync(handle)

    def renamed(self: Path, target: str) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "replace", renamed)
    found = write(tmp_path / "new" / "store")
    folders = ["sync .", "sync new", "sync new/store", "sync new/store/m"]
    assert steps == [*folders, "sync part", "rename", "sync new/store/m/2024-06-01"]
    steps.clear()
    write(tmp_path / "new" / "store")
    assert steps == [f"sync {Path(found.uri).relative_to(tmp_path)}", "sync new/store/m/2024-06-01"]
    steps.clear()
    ScoreStore(str(tmp_path)).store_training(ScoreKey("m", "r", "s"), np.arange(3), np.zeros(3))
    assert steps[-3:] == ["sync part", "rename", "sync scores/m/r"]


def test_what_cannot_be_brought_to_the_disk_is_an_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disks that allocate late say only then that they are full."""

    def full(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().suffix == PART:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ServiceError, match=r"cannot be written: .*No space left"):
        write(tmp_path)
    with pytest.raises(ServiceError, match=r"scores: .* cannot be written: .*No space left"):
        ScoreStore(str(tmp_path)).store_training(ScoreKey("m", "r", "s"), np.arange(3), np.zeros(3))
    assert files(tmp_path) == []


def test_a_disk_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refusing(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refusing)
    found = write(tmp_path)
    snapshots.verify(found.uri, found.sha256)


def test_a_file_that_gets_too_long_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (root := tmp_path / "store").mkdir()
    with child("write_within(*sys.argv[1:])", root, 500_000) as process:
        said = process.communicate(timeout=120)[0].splitlines()
    assert [line.partition(" cannot be written: ")[0] for line in said] == [
        f"snapshots: {root}",
        f"scores: {root}/scores/m/r/s.training.parquet",
    ]
    assert files(root) == []


def test_a_full_and_a_read_only_disk_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    unshared = ("unshare", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run([*unshared, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    (root := tmp_path / "store").mkdir()
    with child("write_on_small_disk(*sys.argv[1:])", root, before=unshared) as process:
        full, left, read_only, left_then = process.communicate(timeout=120)[0].splitlines()
    assert f"snapshots: {root} cannot be written" in full
    assert "No space left" in full
    assert "Read-only file system" in read_only
    assert left == left_then == "[]"


def test_after_a_kill_in_the_middle_nothing_has_the_name_and_the_next_run_heals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root := tmp_path / "store").mkdir()
    with child("write_slowly(sys.argv[1])", root) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        (part,) = files(root)
        assert part.suffix == PART
        age(part, OLD)
        found = write(root)
        assert files(root) == sorted([part, Path(found.uri)]), "its writer lives, however old it is"
        Path(found.uri).unlink()
        process.kill()
        process.wait()
    assert files(root) == [part]
    age(part, OLD)
    found = write(root)
    assert files(root) == [Path(found.uri)]
    assert f"{part} was left unfinished by a process that was killed, and is removed" in caplog.text
    snapshots.verify(found.uri, found.sha256)


def test_a_young_leftover_stays(tmp_path: Path) -> None:
    """Where files cannot be locked, its writer may live."""
    (folder := tmp_path / "m" / "2024-06-01").mkdir(parents=True)
    (part := folder / f"a{PART}").touch()
    age(part, ABANDONED - 60)
    write(tmp_path)
    assert part.exists()


def test_writers_of_the_same_content_do_not_disturb_one_another(root: Path) -> None:
    def written(n: int) -> Extract:
        found = write(root)
        if n % 2:
            damage(Path(found.uri), "truncated")
            found = write(root)
        return found

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(written, range(16)))
    assert len({one.uri for one in found}) == 1
    final = write(root)
    snapshots.verify(final.uri, final.sha256)
    assert files(root) == [Path(final.uri)]
    assert all(one.read(["id"])["id"].is_monotonic_increasing for one in found)


@pytest.fixture
def place() -> Folder:
    return Folder()


def put(place: Folder, path: Path, content: bytes) -> None:
    with place.draft(str(path.parent)) as draft:
        draft.write_bytes(content)
        place.put(draft, str(path), hashlib.sha256(content).hexdigest())


def test_files_are_listed_with_their_size_and_time(place: Folder, tmp_path: Path) -> None:
    assert list(place.files(str(tmp_path / "none"))) == []
    put(place, tmp_path / "a" / "b" / "one", b"12345")
    age(tmp_path / "a" / "b" / "one", 100)
    (found,) = place.files(str(tmp_path))
    assert (found.path, found.size) == (str(tmp_path / "a" / "b" / "one"), 5)
    assert found.put_at == pytest.approx(time.time() - 100, abs=60)


def test_only_a_file_that_is_old_and_that_nobody_holds_is_removed(place: Folder, tmp_path: Path) -> None:
    put(place, path := tmp_path / "one", b"1")
    age(path, 100)
    assert not place.remove(str(path), time.time() - 200)
    assert path.exists()
    assert place.remove(str(path), time.time() - 50)
    assert not path.exists()
    assert place.remove(str(path), time.time()), "gone already"


def test_a_file_that_is_being_verified_is_not_removed_and_one_that_was_removed_meanwhile_is_written(
    tmp_path: Path,
) -> None:
    put(place := Folder(), path := tmp_path / "one", b"1")
    age(path, 100)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert not place.remove(str(path), time.time())
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        putting = threading.Thread(target=put, args=(place, path, b"1"))
        putting.start()
        time.sleep(0.2)  # it waits for the lock, on the file that is now removed
        path.unlink()
    putting.join()
    assert path.read_bytes() == b"1"


def test_scores_with_a_flipped_byte_are_never_taken_for_what_was_stored(tmp_path: Path) -> None:
    """Checksums of pages leave out what the file says about them."""
    key, store = ScoreKey("m", "r", "s"), ScoreStore(str(tmp_path))
    positions, scores = np.arange(4), np.array([0.1, 0.2, 0.3, 0.4])
    store.store_training(key, positions, scores)
    path = tmp_path / key.training_path
    whole = path.read_bytes()
    lost = 0
    for n in range(len(whole)):
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 0x41]) + whole[n + 1 :])
        found = store.of_training(key, positions)
        lost += found is None
        assert found is None or found.tobytes() == scores.tobytes(), n
    assert lost > len(whole) / 2


def test_scores_of_another_model_are_not_taken_for_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other, store = ScoreKey("m", "one", "s"), ScoreKey("m", "other", "s"), ScoreStore(str(tmp_path))
    for key, score in ((one, 0.1), (other, 0.9)):
        store.store_training(key, np.array([0]), np.array([score]))
    shutil.copy(tmp_path / other.training_path, tmp_path / one.training_path)
    assert store.of_training(one, np.array([0])) is None
    assert store.training_note(one) is None
    assert store.training_note(other) == ""
    assert "they are not what was written there. Run the same as-of date and lane again" in caplog.text
