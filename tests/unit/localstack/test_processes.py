"""Processes are found by their mark or their identity, and nothing else is ever touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from localstack import processes
from localstack.state import Running
from titleholder.errors import ServiceError

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
FORKING = "import os, time; os.fork(); print('on', flush=True); time.sleep(60)"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
def start(tmp_path: Path, mark: str) -> Iterator[Start]:
    started = []

    def run(code: str = SLEEP, service: str = "one") -> subprocess.Popen[bytes]:
        log = tmp_path / f"{service}.log"
        child = processes.start(
            service, [sys.executable, "-c", code], mark=mark, log=log, cwd=tmp_path, env=dict(os.environ)
        )
        started.append(child)
        while "print" in code and not log.read_text():
            time.sleep(0.01)
        return child

    yield run
    left = [process for group in processes.find(mark).values() for process in group]  # children too
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for child in started:
        child.kill()
        child.wait()


def pids(found: dict[str, list[psutil.Process]]) -> dict[str, set[int]]:
    return {name: {process.pid for process in group} for name, group in found.items()}


def test_finds_marked_processes_and_their_children_by_service(start: Start, mark: str) -> None:
    parent, other = start(FORKING), start(service="two")
    found = pids(processes.find(mark))
    assert parent.pid in found["one"]
    assert len(found["one"]) == 2
    assert found["two"] == {other.pid}
    assert processes.find(mark + "x") == {}


def test_finds_a_child_whose_parent_was_killed(start: Start, mark: str) -> None:
    parent = start(FORKING)
    parent.kill()
    parent.wait()
    orphans = processes.find(mark)["one"]
    assert len(orphans) == 1
    processes.stop(orphans)
    assert processes.find(mark) == {}


def test_a_title_does_not_hide_the_mark(start: Start, mark: str) -> None:
    child = start("import setproctitle, time; setproctitle.setproctitle('x'); print('on', flush=True); time.sleep(60)")
    assert pids(processes.find(mark)) == {"one": {child.pid}}


def test_never_finds_or_stops_the_caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mark: str) -> None:
    code = (
        "import os, psutil; from localstack import processes as p;"
        "print(p.find(os.environ['TITLEHOLDER_STACK']));"
        "p.stop([psutil.Process(), psutil.Process().parent()]); print('alive')"
    )
    path = os.pathsep.join(sys.path)
    env = {**os.environ, processes.STACK_MARK: mark, "PYTHONPATH": path}
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:2] == ["{}", "alive"]


def test_a_process_that_ignores_sigterm_is_killed(start: Start) -> None:
    polite, stubborn = start(), start(STUBBORN, service="two")
    began = time.monotonic()
    processes.stop([psutil.Process(polite.pid), psutil.Process(stubborn.pid)], grace=0.3)
    assert time.monotonic() - began < 3
    assert polite.wait(1) == -15
    assert stubborn.wait(1) == -9


def test_an_identity_is_more_than_a_process_id(start: Start) -> None:
    child = start()
    running = processes.identify(child.pid)
    assert running is not None
    assert processes.is_alive(running)
    assert not processes.is_alive(Running(child.pid, running.created - 60))
    assert processes.recorded([Running(child.pid, running.created - 60)]) == []
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(running)  # a zombie by now
    child.wait()
    assert not processes.is_alive(running)
    assert not processes.is_alive(None)


def test_what_cannot_be_executed_is_named(tmp_path: Path, mark: str) -> None:
    with pytest.raises(ServiceError, match=r"one cannot be started: .*nothing-here"):
        processes.start(
            "one", [str(tmp_path / "nothing-here")], mark=mark, log=tmp_path / "one.log", cwd=tmp_path, env={}
        )
