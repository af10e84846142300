"""Which columns the columns of a query read, as far as its text shows it."""

from __future__ import annotations

import re

from titleholder.spec.sql import without_comments

_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'                                    # a string
    | "(?P<quoted>(?:[^"]|"")*)"                        # a name in double quotes
    | (?P<word>[^\W\d]\w*)
    | (?P<mark>[(),])
    """,
    re.VERBOSE,
)
_QUALIFIER = re.compile(r"\s*\.")


class _Level:
    """What is between two parentheses: names that are read in it and in its current item; after FROM, none."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.item: set[str] = set()
        self.in_select = self.after_from = False


def names_read(sql: str) -> dict[str, frozenset[str]]:
    """The names in the expression of each `… AS name`, and what these read in turn.

    Equal names of two tables count as one, so there may be too many. What only chooses rows (FROM, WHERE) does
    not count. Without quotes, names are in lower case.

    >>> sorted(names_read("select p.x from (select greatest(a, b) + 1 as x from t where c > 0) p")["x"])
    ['a', 'b', 'greatest']
    """
    defined: dict[str, set[str]] = {}
    levels, named = [_Level()], False
    text = without_comments(sql)
    for token in _TOKEN.finditer(text):
        name = token["word"].lower() if token["word"] else (token["quoted"] or "").replace('""', '"')
        if token["mark"]:
            _enter_or_leave(levels, token["mark"])
        elif token["word"] and name in ("select", "from", "as"):
            level = levels[-1]
            level.in_select |= name == "select"
            level.after_from = name == "from" and level.in_select
            level.item = level.item if name == "as" else set()
        elif named and name:
            defined.setdefault(name, set()).update(levels[-1].item - {name})
        elif name and not levels[-1].after_from and not _QUALIFIER.match(text, token.end()):
            levels[-1].item.add(name)
            levels[-1].read.add(name)
        named = bool(token["word"]) and name == "as"
    return {name: frozenset(_followed(name, defined)) for name in defined}


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
