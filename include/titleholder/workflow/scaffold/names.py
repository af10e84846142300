"""Names of columns: as words to guess by, and as the names that a spec gives them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 63
"""The length of a name in PostgreSQL."""


def snake_case(name: str) -> str:
    """A column's name in lower case, its words joined by `_`.

    >>> snake_case("DepDelay"), snake_case("Applied At"), snake_case("FL_DATE"), snake_case("2nd Größe")
    ('dep_delay', 'applied_at', 'fl_date', 'c_2nd_grosse')
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    found = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "column"
    return (f"c_{found}" if found[0].isdigit() else found)[:LONGEST]


def aliases(names: Iterable[str]) -> dict[str, str]:
    """The name of each column in the spec, no two alike.

    >>> aliases(["Id", "id", "ID"])
    {'Id': 'id', 'id': 'id_2', 'ID': 'id_3'}
    """
    given: dict[str, str] = {}
    for name in names:
        alias, n = snake_case(name), 1
        while alias in given.values():
            n += 1
            alias = f"{snake_case(name)[: LONGEST - 4]}_{n}"
        given[name] = alias
    return given


def words(name: str) -> set[str]:
    """The words of a column's name.

    >>> sorted(words("ChargedOffAt"))
    ['at', 'charged', 'off']
    """
    return set(snake_case(name).split("_"))
