"""The places of a new model's files that somebody must look at: comments that begin with CHECK."""

from __future__ import annotations

import re
from pathlib import Path

PLACE = re.compile(r"^\s*(?:#|--)\s*CHECK\b")


def lines(*files: Path) -> dict[str, list[int]]:
    """The lines that are marked in each file, by its name."""
    read = {file.name: file.read_text(encoding="utf-8-sig").split("\n") for file in files}
    return {name: [n for n, line in enumerate(text, start=1) if PLACE.match(line)] for name, text in read.items()}


def standing(spec: Path, query: str) -> str:
    """That places of a spec, and of the query beside it, are still marked, and where; empty without any."""
    found = {name: at for name, at in lines(*(f for f in (spec, spec.parent / query) if f.is_file())).items() if at}
    total = sum(map(len, found.values()))
    listed = "; ".join(
        f"{name}, line{'s' if len(at) > 1 else ''} {', '.join(map(str, at))}" for name, at in found.items()
    )
    return f"{total} place{'s are' if total > 1 else ' is'} still marked CHECK ({listed})." if found else ""
