"""The licence of every library in the lock: writes `docs/licences.md` (`make licences`), or checks it (`--check`).

They are what the installed packages say of themselves. Exit code 1 for one that is not allowed, and with `--check`
where the list is not up to date; that is seen on Python 3.11 alone, for which it is written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK, LIST = ROOT / "requirements.txt", ROOT / "docs" / "licences.md"
PYTHON = (3, 11)
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "Artistic-1.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only",
    "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib", "ZPL-2.1",
})  # fmt: skip
"""By SPDX; `BSD` where a package does not say how many clauses. Of `A OR B` one must be here, of `A AND B` both."""
NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Other names of the same."""
BY_THEIR_FILES = {
    "async-timeout": "Apache-2.0",
    "huey": "MIT",
    "psycopg2-binary": "LGPL-3.0-or-later",
    "pywin32": "PSF-2.0",
    "pyyaml-ft": "MIT",
    "skops": "MIT",
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later",
    "waitress": "ZPL-2.1",
}
"""Packages whose metadata do not say it, not exactly, or that this Python or Linux does not install: their files."""
HEAD = """# Licences of the libraries

What `requirements.txt` locks, as the installed packages say themselves: by SPDX, and `BSD` where a package does not say
how many clauses. `make licences` writes this file, with Python 3.11. `make check` fails where it is not up to date, or
where a licence is not one of those in `tools/licences.py`. Wheels may bring libraries in C with licences of their own:
they are in each package's folder.

| library | version | licence |
|---|---|---|
"""


class Library(NamedTuple):
    """A library of the lock, its versions for all systems, and its licence; empty where the package does not say."""

    name: str
    versions: tuple[str, ...]
    licence: str

    @property
    def row(self) -> str:
        """Its line of the table."""
        return f"| {self.name} | {', '.join(self.versions)} | {self.licence or 'unknown'} |\n"


def libraries(lock: str) -> list[Library]:
    """Those of a lock, in their order."""
    versions: dict[str, tuple[str, ...]] = {}
    for line in re.findall(r"^[a-zA-Z0-9][^\\\n]*", lock, re.MULTILINE):
        required = Requirement(line.strip())
        (pin,) = required.specifier
        versions[required.name] = (*versions.get(required.name, ()), pin.version)
    return [Library(name, pinned, _licence(name)) for name, pinned in versions.items()]


def _licence(name: str) -> str:
    if name in BY_THEIR_FILES:
        return BY_THEIR_FILES[name]
    try:
        return stated(distribution(name))
    except PackageNotFoundError:
        return ""


def stated(package: Distribution) -> str:
    """The licence in a package's metadata: the expression, or the field where it is known, or the classifiers."""
    said = package.metadata
    for text in (said.get("License-Expression"), said.get("License")):
        name = NAMES.get((text or "").strip(), (text or "").strip())
        if name and _terms(name) <= ALLOWED:
            return name
    if expression := said.get("License-Expression"):
        return str(expression)
    classified = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or [] if c.startswith("License :: ")]
    return " OR ".join(sorted(NAMES.get(name, name) for name in classified if name != "OSI Approved"))


def is_allowed(licence: str) -> bool:
    """Whether a licence is allowed, by the terms of an SPDX expression without parentheses.

    >>> is_allowed("GPL-2.0-only OR MIT"), is_allowed("MIT AND GPL-2.0-only"), is_allowed("")
    (True, False, False)
    """
    return any(_terms(choice) <= ALLOWED for choice in licence.split(" OR "))


def _terms(expression: str) -> set[str]:
    return set(re.split(r" (?:OR|AND) ", expression))


def written(known: Iterable[Library]) -> str:
    """The list of these libraries."""
    return HEAD + "".join(library.row for library in known)


def faults(known: Iterable[Library]) -> Iterator[str]:
    """A sentence for each licence that is not allowed."""
    for library in known:
        if not is_allowed(library.licence):
            licence = library.licence or "unknown"
            yield f"{library.name}: the licence is {licence}, which tools/licences.py does not allow"


def main() -> int:
    """Write the list, or check it; print what is wrong."""
    known = libraries(LOCK.read_text(encoding="utf-8"))
    found = list(faults(known))
    if "--check" not in sys.argv:
        LIST.write_text(written(known), encoding="utf-8")
    elif sys.version_info[:2] == PYTHON and LIST.read_text(encoding="utf-8") != written(known):
        found.append(f"{LIST.relative_to(ROOT)} is not up to date: make licences")
    for fault in found:
        print(fault)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
