"""The tokens of a query by PostgreSQL's lexical rules, with bound parameters (`:name`) beside them.

The rules are those of "SQL Syntax: Lexical Structure" (chapter 4.1 of PostgreSQL's documentation): identifiers (4.1.1),
strings (4.1.2.1), those with escapes (4.1.2.2), with Unicode escapes (4.1.2.3) and in dollar quotes (4.1.2.4), and
comments, which nest (4.1.5); of slices of arrays, `a[low:high]` (8.15.3); and of the keys of JSON objects,
`json_object(key:value)` (9.16.1). A backslash is an escape in `E'...'`
only, as with `standard_conforming_strings`, which is on by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, cast

Kind = Literal["space", "comment", "string", "name", "word", "parameter", "number", "mark", "unfinished"]
"""`name` is an identifier in quotes, `word` one without or a keyword; `unfinished` is what begins and never ends."""

_LETTER = "A-Za-z_\x80-\U0010ffff"  # to PostgreSQL every character beyond ASCII is a letter
_NEXT_LINE = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+"
_ESCAPED = r"'(?:[^'\\]|\\.|\\\Z|'')*+"
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\n\r\f\v]+)
    | (?P<comment>--[^\n\r]*|(?P<block>/\*))
    | (?P<string>
          [eE]{_ESCAPED}(?:'{_NEXT_LINE}{_ESCAPED})*+(?P<end_1>'?)   # goes on at a later line's quote
        | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+(?P<end_2>'?)
        | (?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*+)?\$)
      )
    | (?P<name>(?:[uU]&)?"(?:[^"]|"")*+(?P<end_3>"?))
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    | (?P<number>\$[0-9]+|\.?[0-9][A-Za-z0-9_.]*)
    | (?P<parameter>:[{_LETTER}][{_LETTER}0-9]*)
    | (?P<mark>::|:=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_UNICODE_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{4})|\+(0[0-9A-Fa-f]{5}|10[0-9A-Fa-f]{4})|(\\))")
_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BEFORE_VALUES = frozenset(
    ("and", "or", "not", "case", "when", "then", "else", "between", "symmetric", "like", "ilike", "to", "from")
)
"""Keywords that a value follows: after any other word in brackets a colon is that of a slice."""
_JSON = frozenset(("json_object", "json_objectagg"))
"""Functions in whose parentheses a colon follows a key, other than after the words above or after `value`."""


class Token(NamedTuple):
    """A piece of a query: the texts of all its tokens in their order are the query."""

    kind: Kind
    text: str

    @property
    def identifier(self) -> str:
        r"""What a word or a name is called: without quotes in lower case; empty for anything else.

        >>> [t.identifier for t in tokens('Amount "Odd ""one" U&"d\\0061ta"') if t.identifier]
        ['amount', 'Odd "one', 'data']
        """
        if self.kind == "word":
            return self.text.translate(_TO_LOWER)
        if self.kind != "name":
            return ""
        inside = self.text[self.text.index('"') + 1 : -1].replace('""', '"')
        return inside if self.text.startswith('"') else _UNICODE_ESCAPE.sub(_character, inside)

    def is_mark(self, *texts: str) -> bool:
        """Whether it is one of these marks."""
        return self.kind == "mark" and self.text in texts


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a query, in time that grows with its length.

    >>> [t.text for t in tokens("a[lo:hi] <= :as_of /* b /* :c */ */") if t.kind in ("parameter", "comment")]
    [':as_of', '/* b /* :c */ */']
    """
    position, brackets = 0, _Brackets()
    while position < len(sql):
        token = _token(sql, position)
        if token.kind == "parameter" and brackets.separates_here():
            token = Token("mark", ":")
        position += len(token.text)
        brackets.see(token)
        yield token


def significant(sql: str) -> list[Token]:
    """The tokens without spaces and comments."""
    return [token for token in tokens(sql) if token.kind not in ("space", "comment")]


def _token(sql: str, position: int) -> Token:
    found = _TOKEN.match(sql, position)
    if found is None or found.lastgroup is None:
        raise AssertionError("every character is at least a mark")
    kind, text, end = cast("Kind", found.lastgroup), found[0], found.end()
    if found["block"]:
        end = _end_of_comment(sql, end)
    elif found["dollar"]:
        start, end = end, sql.find(text, end)
        end += len(text) if end >= start else 0
    elif kind in ("string", "name") and not (found["end_1"] or found["end_2"] or found["end_3"]):
        end = -1
    return Token(kind, sql[position:end]) if end >= 0 else Token("unfinished", sql[position:])


def _end_of_comment(sql: str, position: int) -> int:
    """Where the comment that began before `position` ends; -1 where it does not."""
    depth = 1
    for found in _COMMENT_MARK.finditer(sql, position):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end()
    return -1


def _character(escape: re.Match[str]) -> str:
    return escape[3] or chr(int(escape[1] or escape[2], 16))


class _Brackets:
    """What is open at a place of a query: parentheses, subscripts (`a[...]`) and arrays (`array[...]`)."""

    def __init__(self) -> None:
        self._open: list[Literal["parenthesis", "json", "subscript", "array"]] = []
        self._before = Token("space", "")

    def see(self, token: Token) -> None:
        """Go on behind a token."""
        if token.kind in ("space", "comment"):
            return
        if token.is_mark("("):
            self._open.append(
                "json" if self._before.kind == "word" and self._before.identifier in _JSON else "parenthesis"
            )
        elif token.is_mark("["):
            self._open.append("subscript" if self._after_value() and not self._after_array() else "array")
        elif token.is_mark(")", "]") and self._open:
            self._open.pop()
        self._before = token

    def separates_here(self) -> bool:
        """Whether a colon is that of a slice here, behind its lower bound or where it has none; or that of a key."""
        inside = self._open[-1] if self._open else "parenthesis"
        if inside == "json" and self._before.kind == "word" and self._before.identifier == "value":
            return False
        first = inside == "subscript" and self._before.is_mark("[")
        return inside != "parenthesis" and (first or self._after_value())

    def _after_array(self) -> bool:
        return self._before.identifier == "array" and self._before.kind == "word"

    def _after_value(self) -> bool:
        if self._before.kind == "word":
            return self._before.identifier not in _BEFORE_VALUES
        return self._before.kind in ("name", "string", "number", "parameter") or self._before.is_mark(")", "]")
