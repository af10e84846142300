"""Data as plain text: what people and tables wrote never becomes a control character, a link or markup."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from titleholder.errors import UsageError

JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Invisible characters without which words of some languages, and many emoji, cannot be written."""
CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that no reader sees; those that this Python does not know yet are none of them."""
_ADDRESS = r"(?:[a-z][a-z0-9+.-]{0,30}://|www\.)[^\s<>`|\\]+|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
ADDRESSES = re.compile(f"(?:{_ADDRESS})+", re.IGNORECASE)
"""What readers of Markdown make a link of by themselves: addresses of pages and of e-mail."""
TYPED = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]*(?![\s\S])"
"""What a person may type in one line, as a pattern for forms, in the dialect that Python and browsers share.

For Python `$` would also match before a last line break."""
_MARKUP, _IN_A_LABEL = re.compile(r"[\\*~|]|(?<=\])[(\[:]"), re.compile(r"[\\*~|\[\]]")


def plain(text: object) -> str:
    r"""The text without control characters: each is shown as its escape; line breaks stay.

    Whatever has no width, moves the cursor, or turns the direction of writing is one of them.

    >>> plain("red \x1b[31m, back \b, turned \u202e"), plain("two\nlines")
    ('red \\x1b[31m, back \\x08, turned \\u202e', 'two\nlines')
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(c if c.isprintable() or c == "\n" or c in JOINERS else _shown(c) for c in whole)


def shown(value: object) -> object:
    """For `finalize` of a template: a text without control characters; anything else, such as HTML, as it is."""
    return plain(value) if type(value) is str else value


def one_line(text: object) -> str:
    r"""The same as one line, its white space as single spaces.

    >>> one_line("a  b\r\nc\td")
    'a b c d'
    """
    return plain(" ".join(str(text).split()))


def markdown(text: object) -> str:
    r"""One line of Markdown that shows this text and nothing else: no markup, no link, no picture, no HTML.

    Addresses are shown as code: a reader of Markdown makes a link of any that stands in a text, escaped or not.

    >>> print(markdown("[x](javascript:a) *b* <img> https://a.example"))
    [x]\(javascript:a) \*b\* &lt;img> `https://a.example`
    """
    return re.sub(r"^(?:(\d+)([.)])|([-+=>#:]))", _not_a_block, _as_text(text, _MARKUP))


def link(label: str, address: str) -> str:
    """A link in Markdown, for an address that we made; only its label, where the address may not become a link.

    >>> link("Version 4", "https://mlflow.example/a b"), link("it", "javascript:alert(1)")
    ('[Version 4](https://mlflow.example/a%20b)', 'it')
    """
    shown = _as_text(label, _IN_A_LABEL)
    return f"[{shown}]({_one_word(address)})" if is_linkable(address) else shown


def is_linkable(address: str) -> bool:
    """Whether an address may become a link: http and https only."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def typed(what: str, text: str) -> str:
    """A line that a person typed, as it is.

    Raises:
        UsageError: it has a control character, which the message names after `what`.
    """
    if found := unprintable(text):
        raise UsageError(f"{what} {found}")
    return text


def unprintable(text: str) -> str:
    """What is wrong with a text that should be one line of plain text; empty where nothing is.

    >>> unprintable("red \\x1b[31m"), unprintable("fine")
    ('is one line of plain text, and has \\\\x1b, which is not printable', '')
    """
    found = next((c for c in text if unicodedata.category(c) in CONTROLS and c not in JOINERS), None)
    return f"is one line of plain text, and has {_shown(found)}, which is not printable" if found else ""


def _one_word(address: str) -> str:
    """An address with every character escaped that would end a link early, and every control character."""
    return "".join(
        c if c.isprintable() and c not in " ()<>|\\`" else "".join(f"%{b:02X}" for b in c.encode(errors="replace"))
        for c in address
    )


def _shown(character: str) -> str:
    return " " if unicodedata.category(character) == "Zs" else character.encode("unicode_escape").decode()


def _as_text(text: object, markup: re.Pattern[str]) -> str:
    line, parts, end = one_line(text), [], 0
    for found in ADDRESSES.finditer(line):
        parts += [_escaped(line[end : found.start()], markup), f"`{found[0]}`"]
        end = found.end()
    return "".join([*parts, _escaped(line[end:], markup)])


def _escaped(text: str, markup: re.Pattern[str]) -> str:
    line = markup.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "&#96;"))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def _not_a_block(found: re.Match[str]) -> str:
    """The beginning of a line that would make it an item, a heading or a quotation."""
    return f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}"
