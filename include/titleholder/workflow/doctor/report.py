"""What `titleholder doctor` found: one result for each thing that it looked at."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["ok", "warning", "wrong", "not checked"]
WRONG, DOWN = 1, 3
"""The exit codes where something is wrong, and where a service does not answer."""


class Check(BaseModel):
    """One thing that was looked at: what was found, and what to do where it is not as it should be.

    `down` is true where a service does not answer: what it holds was not looked at.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    found: str
    remedy: str = ""
    down: bool = False


class Report(BaseModel):
    """All results, in the order in which they were looked at, for one service.

    >>> fine = Check(name="clock", state="ok", found="0.0 s apart")
    >>> Report(service="worker", checks=(fine, Check(name="MLflow", state="wrong", found="away", down=True))).exit_code
    3
    """

    model_config = ConfigDict(frozen=True)

    service: str
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """3 where a service is down, else 1 where something is wrong, else 0."""
        wrong = [check for check in self.checks if check.state == "wrong"]
        return DOWN if any(check.down for check in wrong) else WRONG if wrong else 0


def ok(name: str, found: str) -> Check:
    """It is as it should be."""
    return Check(name=name, state="ok", found=found)


def warning(name: str, found: str, remedy: str) -> Check:
    """It works, and should be otherwise."""
    return Check(name=name, state="warning", found=found, remedy=remedy)


def wrong(name: str, found: str, remedy: str) -> Check:
    """Something will fail, or is unsafe."""
    return Check(name=name, state="wrong", found=found, remedy=remedy)


def skipped(name: str, why: str, remedy: str = "") -> Check:
    """It was not looked at."""
    return Check(name=name, state="not checked", found=why, remedy=remedy)
