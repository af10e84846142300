"""Which columns the columns of a query read, as far as its text shows it."""

from __future__ import annotations

from functools import lru_cache
from itertools import zip_longest

from titleholder.spec.sql_tokens import significant


class _Level:
    """What is between two parentheses: names that are read in it and in its current item; after FROM, none."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.item: set[str] = set()
        self.in_select = self.after_from = False


def names_read(sql: str, column: str) -> frozenset[str]:
    """The names in the expression of each `… AS column`, and what these read in turn; none where there is no such.

    Equal names of two tables count as one, so there may be too many. What only chooses rows (FROM, WHERE) does
    not count. Without quotes, names are in lower case.

    >>> sorted(names_read("select p.x from (select greatest(a, b) + 1 as x from t where c > 0) p", "x"))
    ['a', 'b', 'greatest']
    """
    return frozenset(_followed(column, _defined(sql)))


@lru_cache(maxsize=8)
def _defined(sql: str) -> dict[str, set[str]]:
    """The names in the expressions of each `… AS name`."""
    defined: dict[str, set[str]] = {}
    levels, named = [_Level()], False
    found = significant(sql)
    for token, following in zip_longest(found, found[1:]):
        name, keyword = token.identifier, token.kind == "word"
        if token.is_mark("(", ",", ")"):
            _enter_or_leave(levels, token.text)
        elif keyword and name in ("select", "from", "as"):
            level = levels[-1]
            level.in_select |= name == "select"
            level.after_from = name == "from" and level.in_select
            level.item = level.item if name == "as" else set()
        elif named and name:
            defined.setdefault(name, set()).update(levels[-1].item - {name})
        elif name and not levels[-1].after_from and not (following and following.is_mark(".")):
            levels[-1].item.add(name)
            levels[-1].read.add(name)
        named = keyword and name == "as"
    return defined


def _enter_or_leave(levels: list[_Level], mark: str) -> None:
    if mark == "(":
        levels.append(_Level())
    elif mark == ",":
        levels[-1].item = set()
    elif len(levels) > 1:
        inner = levels.pop().read
        if not levels[-1].after_from:
            levels[-1].item |= inner
            levels[-1].read |= inner


def _followed(name: str, defined: dict[str, set[str]]) -> set[str]:
    """All names that one reads, through others too."""
    found, waiting = set[str](), [name]
    while waiting:
        read = defined.get(waiting.pop(), set()) - found
        found |= read
        waiting += read
    return found
