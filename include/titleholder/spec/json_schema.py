"""The JSON schema of a spec, for editors: every key, its type, its choices and what it means."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from titleholder.spec.metrics import METRICS
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import StrictModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PROMPT = ">" * 3
"""Before the examples of a docstring, which are for readers of the code."""


def json_schema() -> dict[str, Any]:
    """The schema of a spec's YAML file. The query has a file of its own, so `sql` is no key of it.

    A file that follows it may still be refused: rules between keys are not in it. `titleholder check` knows them.
    """
    schema = ModelSpec.model_json_schema()
    for section in (schema, schema["$defs"]["Scoring"]):
        del section["properties"]["sql"]
        section["required"].remove("sql")
    sections = {"ModelSpec": schema, **schema["$defs"]}
    for section in _sections(StrictModel):
        for key, text in _key_descriptions(section):
            if section.__name__ in sections:
                sections[section.__name__]["properties"][key].setdefault("description", text)
    metrics = list(METRICS)
    sections["Judgement"]["properties"]["metric"]["enum"] = metrics
    sections["Judgement"]["properties"]["floors"]["propertyNames"] = {"enum": metrics}
    sections["Search"]["properties"]["metric"]["anyOf"][0]["enum"] = metrics
    return {"$schema": DIALECT, "title": "A model of Titleholder", **_plain(schema)}


def _sections(base: type[StrictModel]) -> Iterator[type[StrictModel]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def _key_descriptions(section: type[StrictModel]) -> Iterator[tuple[str, str]]:
    """Each key of a section that has a docstring of its own, which is the string after it in the source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    for statement, following in pairwise(body.body if isinstance(body, ast.ClassDef) else ()):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if named and text and statement.target.id in section.model_fields:  # type: ignore[attr-defined]
            yield statement.target.id, inspect.cleandoc(following.value.value)  # type: ignore[attr-defined]


def _plain(node: Any) -> Any:
    """Without what tells an editor nothing: titles made from names, defaults that are sections, examples in Python."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs", "patternProperties"):
            kept[key] = {name: _plain(part) for name, part in value.items()}
        elif key == "description":
            kept[key] = " ".join(value.partition(PROMPT)[0].split())
        elif key != "title" and not (key == "default" and isinstance(value, dict)):
            kept[key] = _plain(value)
    return kept
