"""The JSON schema of a spec, held against `jsonschema` and the specs of this repository."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from support.factories import YAML
from titleholder.cli.main import app
from titleholder.spec.files import SpecLoader
from titleholder.spec.json_schema import json_schema
from titleholder.spec.loader import DEFAULT_FOLDER
from titleholder.spec.metrics import METRICS
from titleholder.spec.types import Duration

PROJECT = Path(__file__).parents[3]
SCHEMA = json_schema()
VALID = Draft202012Validator(SCHEMA)
SPECS = sorted([*DEFAULT_FOLDER.glob("*.yaml"), *(PROJECT / "tests" / "support" / "models").glob("tiny*.yaml")])


def read(text: str) -> Any:
    return yaml.load(text, SpecLoader)


def faults(data: Any) -> list[str]:
    return [error.message for error in VALID.iter_errors(data)]


def test_the_documentation_has_the_schema_of_the_code() -> None:
    written = (PROJECT / "docs" / "model.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == SCHEMA, "write it again: titleholder schema > docs/model.schema.json"
    assert CliRunner().invoke(app, ["schema"]).stdout == written
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_of_the_repository_follows_it(path: Path) -> None:
    assert faults(read(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["owners"], "me", "'owners' was unexpected"),
        (["sql"], "select 1", "'sql' was unexpected"),
        (["task"], "ranking", "'ranking' is not one of"),
        (["judgement", "metric"], "auc", "'auc' is not one of"),
        (["judgement", "floors"], {"auc": 0.6}, "'auc' is not one of"),
        (["training", "search"], {"metric": "auc"}, "'auc'"),
        (["windows", "holdout"], "3 moons", "does not match"),
        (["windows", "holdout"], 90, "is not of type 'string'"),
        (["columns", "numeric"], "amount", "is not of type 'array'"),
        (["judgement", "checks"], {"cohorts": {"severity": "loud"}}, "'loud' is not one of"),
        (["training", "candidates"], {}, "should be non-empty"),
    ],
)  # fmt: skip
def test_what_an_editor_can_mark(keys: list[str], value: Any, message: str) -> None:
    data = copy.deepcopy(read(YAML))
    assert faults(data) == []
    section = data
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    assert message in "\n".join(faults(data))


@pytest.mark.parametrize("text", ["90 days", "1 year 6 months", " 1 year   6 months ", "1 day"])
def test_a_duration_that_is_read_follows_it_too(text: str) -> None:
    assert Duration.parse(text)
    data = read(YAML)
    data["windows"]["holdout"] = text
    assert faults(data) == []


def test_an_editor_is_told_what_a_key_means_and_what_it_may_be() -> None:
    sections = SCHEMA["$defs"]
    assert sections["Columns"]["properties"]["accepted"]["description"].startswith("True for rows that were accepted")
    assert sections["Judgement"]["properties"]["metric"]["enum"] == list(METRICS)
    assert ">>>" not in json.dumps(SCHEMA)
    assert sections["Windows"]["properties"]["train"]["anyOf"][1]["const"] == "all"
