"""What the settings of all checks have in common, and where the documentation explains a check."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import field_validator

from titleholder.spec.types import StrictModel

Severity = Literal["block", "warn", "off"]
CHECKS_PAGE = "docs/checks.md"


def docs_url(code: str, title: str) -> str:
    """The address of a check's section in the documentation, relative to the repository.

    >>> docs_url("TH301", "Gain sufficient")
    'docs/checks.md#th301-gain-sufficient'
    """
    heading = re.sub(r"[^\w\- ]", "", f"{code} {title}".lower())
    return f"{CHECKS_PAGE}#{heading.replace(' ', '-')}"


class Rule(StrictModel):
    """Settings of a check. `block`: a challenger that fails cannot win; `warn`: only a warning; `off`: not run.

    >>> Rule(severity=False).severity  # a bare `off` in YAML
    'off'
    """

    severity: Severity = "block"

    @field_validator("severity", mode="before")
    @classmethod
    def _off_without_quotes(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false
