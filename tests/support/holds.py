"""A stack whose tasks a test holds at the points of `support.holding`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path

from localstack.airflow import Airflow


class Holds(ABC):
    """The files by which a test and a task speak, in the folder `holds`."""

    holds: Path

    @property
    @abstractmethod
    def airflow(self) -> Airflow:
        """Its admin."""

    @abstractmethod
    def supervise(self) -> None:
        """Start what has died, as a supervisor of services does; the tests' log says what did."""

    def hold(self, reason: str, point: str) -> None:
        """Let the tasks of the run with this reason wait at a point of `support.holding`."""
        (self.holds / f"{reason}.{point}").touch()

    def reached(self, reason: str, point: str, timeout: float = 180) -> int:
        """The process id of the task that waits there, once it does; what dies meanwhile is started again."""
        file, deadline = self.holds / f"{reason}.{point}.reached", time.monotonic() + timeout
        while not file.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no task of {reason} came to {point} in {timeout:.0f} s")
            self.supervise()
            time.sleep(0.05)
        return int(file.read_text())

    def release(self, reason: str, point: str) -> None:
        """Let it go on."""
        for name in (f"{reason}.{point}.reached", f"{reason}.{point}"):
            (self.holds / name).unlink(missing_ok=True)
