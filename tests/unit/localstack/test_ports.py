"""Ports: the usual ones, those of last time, or the next free ones."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from localstack import ports
from titleholder.errors import ServiceError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No other stack of this machine has chosen a port."""
    lives_in(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))


def lives_in(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Let the system's user database say that this user's home is that folder."""
    monkeypatch.setattr(ports.pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(home)))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def busy(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port not in numbers)


def test_a_listening_port_is_not_free(taken: int) -> None:
    assert not ports.is_free(taken)


def test_a_port_on_every_interface_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not ports.is_free(listener.getsockname()[1])


def test_prefers_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch)
    assert ports.choose_ports({}, ()) == ports.PREFERRED


def test_takes_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 8080, 8081)
    assert ports.choose_ports({}, ())["airflow"] == 8082


def test_keeps_those_of_last_time_while_they_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 5001)
    chosen = ports.choose_ports({"postgres": 6000, "mlflow": 5001, "airflow": 8080}, ())
    assert chosen == {"postgres": 6000, "mlflow": 5000, "airflow": 8080}


def test_a_running_service_keeps_the_port_it_occupies(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 6000)
    assert ports.choose_ports({"postgres": 6000}, {"postgres"})["postgres"] == 6000


def test_two_services_never_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch)
    chosen = ports.choose_ports({"postgres": 7000, "mlflow": 7000}, ())
    assert chosen == {"postgres": 7000, "mlflow": 5000, "airflow": 8080}


def test_an_error_if_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(ServiceError, match="No free port for postgres: 5432 to 5631"):
        ports.choose_ports({}, ())


def test_two_stacks_that_start_in_one_minute_choose_different_ports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    busy(monkeypatch)
    first, second = (ports.choose_ports({}, (), owner) for owner in ("one", "two"))
    assert first == ports.PREFERRED
    assert not set(first.values()) & set(second.values())
    assert ports.choose_ports({}, (), "one") == first, "its own choice does not stand in its way"
    kept = tmp_path / "home" / ".cache" / "titleholder" / "ports.json"
    assert [path.stat().st_mode & 0o077 for path in (kept, kept.parent)] == [0, 0]
    kept.write_text("[[5432, cut sh")
    assert ports.choose_ports({}, (), "three") == ports.PREFERRED, "a file cut short says nothing"
    kept.write_text('[[5432, "one", 99999999999.0]]')
    assert ports.choose_ports({}, (), "five") == ports.PREFERRED, "the clock was wrong: nobody chose it in the future"
    kept.unlink()
    monkeypatch.setattr(ports, "_STARTING", -1.0)
    assert ports.choose_ports({}, (), "four") == ports.PREFERRED, "whoever started long ago listens by now, or is gone"


def test_nothing_is_read_or_written_where_others_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was a file in /tmp: whoever made it first kept a stack from starting, or chose its ports."""
    busy(monkeypatch)
    folder, elsewhere = tmp_path / "home" / ".cache" / "titleholder", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.parent.mkdir(parents=True)
    folder.symlink_to(elsewhere)
    with pytest.raises(ServiceError, match="must be a folder that is yours"):
        ports.choose_ports({}, ())
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ServiceError, match="that nobody else may write to: chmod 700 it"):
        ports.choose_ports({}, ())
    folder.chmod(0o700)
    (folder / "ports.json").symlink_to(elsewhere / "target")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        ports.choose_ports({}, ())
    assert not [*elsewhere.iterdir()]


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_two_stacks_of_one_user_with_other_environments_choose_different_ports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """Each had a file of its own: both took the same ports, and the second did not start."""
    busy(monkeypatch)
    monkeypatch.delenv("XDG_CACHE_HOME")
    chosen = []
    for owner in ("one", "two"):
        monkeypatch.setenv(variable, str(tmp_path / owner))
        chosen.append(ports.choose_ports({}, (), owner))
    assert not set(chosen[0].values()) & set(chosen[1].values())


def test_without_a_home_that_can_be_written_the_file_is_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    busy(monkeypatch)
    lives_in(monkeypatch, Path("/proc/nowhere"))
    ports.choose_ports({}, ())
    assert (tmp_path / "elsewhere" / "titleholder" / "ports.json").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with pytest.raises(ServiceError, match="Set XDG_CACHE_HOME to a folder of yours"):
        ports.choose_ports({}, ())
