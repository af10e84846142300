"""The text of a spec's files and the YAML in it, within bounds: one odd file is one error, in little time."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import yaml

from titleholder.errors import SpecError
from titleholder.spec.messages import KeyPath, Lines

LARGEST = 256 * 1024
"""Bytes of a file. A query may return at most 1,600 columns, and their names are shorter than 64 characters."""
DEEPEST = 20
"""Levels of keys and lists within one another; a spec needs eight."""
MOST = 10_000
"""Keys and values of a file."""
SHOWN = 200
"""Characters of a key, and of what is shown of other names."""
TEXT, TAGS = "tag:yaml.org,2002:str", "tag:yaml.org,2002:"
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def shown(path: Path) -> str:
    """The name of a file, in characters that can be printed."""
    escaped = path.name.encode(errors="backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def read_text(path: Path) -> str:
    """The text of a file, without the byte order mark with which some editors begin it.

    Raises:
        SpecError: saying why it cannot be read: it is no regular file, larger than `LARGEST`, or no UTF-8.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SpecError("it is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SpecError(f"it is larger than {LARGEST // 1024} KB")
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        raise SpecError("it is a link to a file that does not exist" if path.is_symlink() else "no such file") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"it is not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise SpecError(str(error.strerror or error)) from None


def read_yaml(path: Path) -> tuple[dict[str, Any], Lines]:
    """The data of a spec's file and the line of each key and list item.

    Raises:
        SpecError: naming the file, and the line and the key that are refused: see `SpecLoader`.
    """
    name = shown(path)
    try:
        text = read_text(path)
    except SpecError as error:
        raise SpecError(f"{name}: the spec cannot be read: {error}") from None
    try:
        loader = SpecLoader(text)
        loader.name = name  # in messages of the library's own
        root = loader.get_single_node()
        data = loader.construct_document(root) if root else None
    except RefusedError as error:
        raise SpecError(f"{name}, {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(f"{name} is not valid YAML: {str(error)[: 10 * SHOWN]}") from None
    if not isinstance(data, dict):
        raise SpecError(f"{name}: a spec is a mapping of keys such as name, source, columns, training")
    return data, loader.lines


class RefusedError(yaml.YAMLError):
    """Valid YAML that a spec does not need; the message has its line and its key."""

    def __init__(self, event: Any, path: KeyPath, sentence: str) -> None:
        super().__init__(": ".join(filter(None, (f"line {event.start_mark.line + 1}", ".".join(path), sentence))))


class SpecLoader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2: a date stays text, 1e-3 is a number, 010 and 1:30 are none.

    Refused are anchors and aliases, tags, keys that are no text or given twice, characters that are no text, and more
    than `MOST` values or `DEEPEST` levels of them.

    >>> yaml.load("{a: 010, b: 1e-3, c: 2020-01-01, d: off}", SpecLoader)
    {'a': '010', 'b': 0.001, 'c': '2020-01-01', 'd': False}
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.lines: Lines = {}
        """The line of each key and list item, from 1."""
        self._path: KeyPath = ()
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The node of the next event, which is refused or noted first."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        outer = self._path
        is_key = isinstance(parent, yaml.MappingNode) and index is None
        if index is not None:
            self._path = (*outer, str(index.value if isinstance(index, yaml.Node) else index))
        self._values += 1
        if sentence := self._fault(event):
            raise RefusedError(event, self._path, sentence)
        node = super().compose_node(parent, index)
        if is_key:
            self._note_key(event, node)
        elif isinstance(parent, yaml.SequenceNode):
            self.lines[self._path] = event.start_mark.line + 1
        self._path = outer
        return node

    def _fault(self, event: Any) -> str:
        if isinstance(event, yaml.AliasEvent):
            return f"*{str(event.anchor)[:SHOWN]} is an alias, which a spec cannot have; write the value out"
        if event.anchor:
            return f"&{event.anchor[:SHOWN]} is an anchor, which a spec cannot have; leave it out"
        if event.tag is not None:
            tag = event.tag.replace(TAGS, "!!")[:SHOWN]
            return f"{tag} is a tag, which a spec cannot have; leave it out (text is in quotes)"
        if isinstance(event, yaml.ScalarEvent) and _NO_TEXT.search(event.value):
            return "a NUL character or half of a character is not text"
        if len(self._path) > DEEPEST:
            return f"more than {DEEPEST} levels of keys and lists"
        return f"more than {MOST:,} keys and values" if self._values > MOST else ""

    def _note_key(self, event: Any, node: yaml.Node | None) -> None:
        if not isinstance(node, yaml.ScalarNode):
            raise RefusedError(event, self._path, "a key is text, neither a list nor a mapping")
        if len(node.value) > SHOWN or _CONTROL.search(node.value):
            raise RefusedError(event, self._path, f"a key has at most {SHOWN} characters, none of which controls")
        if node.tag != TEXT:
            raise RefusedError(
                event, self._path, f"the key {node.value!r} is not read as text by YAML; put it in quotes"
            )
        path = (*self._path, node.value)
        if path in self.lines:
            raise RefusedError(event, path, "given twice")
        self.lines[path] = event.start_mark.line + 1


_INTEGER = r"[-+]?(?:0|[1-9][0-9_]*)$"
_FLOAT = (
    r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
SpecLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in (f"{TAGS}bool", f"{TAGS}null")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
SpecLoader.add_implicit_resolver(f"{TAGS}int", re.compile(_INTEGER), list("-+0123456789"))
SpecLoader.add_implicit_resolver(f"{TAGS}float", re.compile(_FLOAT), list("-+.0123456789"))
