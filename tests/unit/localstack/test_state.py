"""The state folder: private, replaceable in one step, forgiving about a lost record."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from localstack.keys import ensure_keys
from localstack.state import PROJECT, Record, Running, State, write_private
from titleholder.errors import ServiceError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_default_folder_is_in_the_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TITLEHOLDER_STATE", raising=False)
    assert State.locate().root == PROJECT / ".titleholder"
    assert (PROJECT / "pyproject.toml").exists()
    monkeypatch.setenv("TITLEHOLDER_STATE", str(tmp_path))
    assert State.locate().root == tmp_path.resolve()


def test_everything_in_it_is_private(state: State) -> None:
    ensure_keys(state)
    assert mode(state.root) == 0o700
    assert mode(state.secrets) == 0o600
    assert {mode(child) for child in state.root.iterdir() if child.is_dir()} == {0o700}


def test_a_record_comes_back_as_it_was_written(state: State) -> None:
    record = Record(ports={"postgres": 5433}, services={"mlflow": Running(7, 1.5)}, migrated={"mlflow": "3"})
    state.write(record)
    assert state.read() == record


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"ports": {}}', '{"ports": 1, "services": 2, "migrated": 3}']
)
def test_a_lost_or_broken_record_is_an_empty_one(state: State, content: str | None) -> None:
    if content is not None:
        (state.root / "stack.json").write_text(content)
    assert state.read() == Record()


def test_a_path_postgresql_cannot_use_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="TITLEHOLDER_STATE to a shorter path"):
        State(tmp_path.joinpath(*["x" * 200] * 5)).prepare()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="cannot be written"):
        State(tmp_path / "file" / "state").prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ServiceError, match="cannot be written"):
        State(tmp_path / "state").prepare()


def test_the_second_command_waits_for_the_first(state: State) -> None:
    waiting, done = threading.Event(), threading.Event()

    def second() -> None:
        with state.lock(waiting.set):
            done.set()

    with state.lock():
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        assert not done.is_set()
    thread.join(5)
    assert done.is_set()


def test_the_lock_ends_with_its_holder(state: State) -> None:
    with state.lock(), (state.root / "lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (state.root / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_delete_keeps_files_that_the_stack_did_not_make(state: State) -> None:
    ensure_keys(state)
    (state.root / "mine.txt").write_text("keep")
    state.delete()
    assert [child.name for child in state.root.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("planted", ["file", "link"])
def test_secrets_are_not_written_into_what_somebody_else_has_put_there(tmp_path: Path, planted: str) -> None:
    draft, theirs = tmp_path / f".secrets.json.{os.getpid()}", tmp_path / "theirs"
    theirs.write_text("")
    draft.hardlink_to(theirs) if planted == "file" else draft.symlink_to(theirs)
    write_private(tmp_path / "secrets.json", "s")
    assert theirs.read_text() == ""
    assert (tmp_path / "secrets.json").read_text() == "s"
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path != theirs] == ["secrets.json"]
