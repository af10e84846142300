"""The places of a new model's files that somebody must look at: comments that begin with CHECK."""

from __future__ import annotations

import re
from pathlib import Path

PLACE = re.compile(r"^\s*(?:#|--)\s*CHECK\b", re.MULTILINE)


def count(*files: Path) -> dict[str, int]:
    """How many places are marked in each file, by its name."""
    return {file.name: len(PLACE.findall(file.read_text(encoding="utf-8-sig"))) for file in files}


def sentence(*files: Path) -> str:
    """That places are still marked, and where; empty without any."""
    found = {name: number for name, number in count(*files).items() if number}
    total = sum(found.values())
    listed = ", ".join(f"{name}: {number}" for name, number in found.items())
    return f"{total} place{'s are' if total > 1 else ' is'} still marked CHECK ({listed})." if found else ""
