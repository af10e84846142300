"""Random spec files: each is a spec that can be used, or an error of its file, in little time."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from support.factories import SQL, YAML
from support.fuzz import no_hang, share
from titleholder.errors import SpecError, UsageError
from titleholder.spec import cadence, windows
from titleholder.spec.files import SpecLoader
from titleholder.spec.loader import DEFAULT_FOLDER, load_spec
from titleholder.spec.model import ModelSpec

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
MORE = """\
description: Everything a spec can say
end_date: 2030-01-01
assets: [loans_loaded]
notifications:
  deadline: 12 hours
  email: {to: [a@b.example], connection: mail}
  slack: {connection: chat}
"""
RULES = """\
judgement:
  metric: profit
  rule: sequential
  horizon: 12
  tolerated_loss: 0.01
  floors: {roc_auc: 0.6, brier: 0.2}
  cut_off: {accept: below, share: 0.8}
  grades: {cut_offs: [0.02, 0.05], minimum_rows: 50}
  profit: {accepted_0: 1.0, accepted_1: -8.0}
  emp: {p0: 0.5, p1: 0.1}
  checks:
    too_good: {ceilings: {gini: 0.8}}
    plausible: {acknowledged: {features: [income], gain_over: 3}}
    cohorts: {severity: off, period: month}
    fairness: {ratio: 0.9}
promotion:
  approval: {by: [ana, {id: '7', name: ben}], within: 2 days, own_runs: true}
  rollback_approval: automatic
  cooldown: 1 month
"""
WHOLE = (
    YAML[: YAML.index("judgement:")].replace("target: bad", "target: bad\n  cluster: branch\n  weight: w")
    + MORE
    + RULES
)
BASES = [YAML, WHOLE, *(p.read_text().replace(f"name: {p.stem}", "name: small") for p in DEFAULT_FOLDER.glob("*.yaml"))]
DATA = [yaml.load(text, SpecLoader) for text in BASES]
PIECES = [
    "a", "name", "owner: x", ": ", ":", "- ", "\n", "\n  ", "\n    ", "? ", "&a ", "*a", "!!binary ", "!!bool ", "!x ", "<<: ",
    "{", "}", "[", "]", ",", "'", '"', "|\n", ">\n", "#", "%YAML 1.2\n", "---\n", "...\n", "\t", "\\", '"\\ud800"', "~", "null",
    "0x1F", "1e400", ".inf", ".nan", "1:30", "2020-01-01", "=", "@", "`", "\u2028", "\x85", "é", "😀", "\ufeff", "task: ",
    "training:\n  candidates:\n    a: {estimator: subprocess.Popen}\n",
]  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 0.0, -0.0, 0.5, 1e-300, 1e300, float("inf"), float("nan"), "", " ", "x",
    "off", "no", "2020-01-01", "0 6 1 * *", "@monthly", "@hourly", "* * * * * *", "1 month", "0 days", "9999 years",
    "12 hours", "all", "roc_auc", "rmse", "pinball", "regression", "bad", "income", "loan_id", "a.b", "subprocess.Popen",
    "os.system", "sklearn.linear_model", "sklearn.linear_model.Ridge", "shutil.rmtree", "small.sql", "../x.sql", "gone.sql",
    [], {}, [[]], [{}], {"": {}}, {"x": 1}, ["income", "income"], {"low": 0, "high": 1}, {"low": 1, "high": 0, "log": True},
    "\u202e", "x" * 300, "a\nb", "{}", "%s", "[bold]", "é" * 64,
]  # fmt: skip
texts = st.text(max_size=30).filter(lambda t: t.isprintable())
values = st.one_of(
    st.sampled_from(ODD), texts, st.integers(), st.floats(), st.lists(st.sampled_from(ODD), max_size=4),
    st.dictionaries(texts, st.sampled_from(ODD), max_size=3),
)  # fmt: skip


def paths(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*at, key)
        yield from paths(value, (*at, key))


@st.composite
def mutated_data(draw: st.DrawFn) -> str:
    """A valid spec of which some keys have other values, other names, or are gone."""
    data = copy.deepcopy(draw(st.sampled_from(DATA)))
    for _ in range(draw(st.integers(1, 4))):
        *parents, key = draw(st.sampled_from(list(paths(data)) or [("x",)]))
        part = data
        for parent in parents:
            part = part[parent]
        what = draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"]))
        if what == "replace" and key in (part if isinstance(part, dict) else range(len(part))):
            part[key] = copy.deepcopy(draw(values))
        elif what == "add" and isinstance(part, dict):
            part[draw(texts)] = copy.deepcopy(draw(values))
        elif what == "rename" and isinstance(part, dict) and key in part:
            part[draw(st.one_of(texts, st.sampled_from(["name", "sql", "metric", "checks", "params"])))] = part.pop(key)
        elif what == "remove" and key in (part if isinstance(part, dict) else range(len(part))):
            del part[key]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=draw(st.booleans()))


@st.composite
def mutated_text(draw: st.DrawFn) -> str:
    """A valid spec with pieces put in, taken out and moved."""
    text = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(st.one_of(st.just(""), st.sampled_from(PIECES), st.just(text[start:end] * 2), st.text(max_size=5)))
        text = text[:start] + piece + text[end:]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("models")
    for name in ("small", "demo_default", "demo_loss", "demo_loss_scoring", "lending_club_default"):
        (found / f"{name}.sql").write_text(SQL)
    return found


def read(folder: Path, text: str) -> ModelSpec | None:
    """The spec of this text; None where it is refused in words that can be shown."""
    (folder / "small.yaml").write_bytes(text.encode(errors="surrogatepass"))
    with no_hang():
        try:
            return load_spec(folder / "small.yaml")
        except SpecError as error:
            said = str(error)
    assert said.startswith("small.yaml")
    assert len(said) < 100_000
    assert not CONTROL.search(said), said
    return None


def use(spec: ModelSpec) -> None:
    """What is done with any spec, before its rows are there."""
    with no_hang():
        stored = json.loads(json.dumps(spec.model_dump(mode="json"), allow_nan=False))
        assert ModelSpec.restore(stored) == spec
        assert spec.fingerprint() != spec.training_fingerprint()
        assert spec.judgement_fingerprint()
        assert cadence.cadence(spec.schedule).noun
        for day in (date(1900, 1, 1), date(2024, 2, 29), date(2200, 1, 1)):
            with suppress(UsageError):
                windows.intervals(spec, day)
        assert windows.longest_period(spec.schedule, date(2024, 2, 29)).days >= 1
        assert windows.last_tick(spec.schedule, date(2024, 2, 29))
        assert spec.judgement.tolerance >= 0
        assert spec.columns.scoring_delay is not None


@share(0.2)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join))
def test_any_text_is_refused_in_words(folder: Path, text: str) -> None:
    assert read(folder, text) is None


@share(0.15)
@given(mutated_text())
def test_a_spec_with_pieces_moved_is_refused_in_words_or_can_be_used(folder: Path, text: str) -> None:
    if spec := read(folder, text):
        use(spec)


@share(0.15)
@given(mutated_data())
def test_a_spec_with_other_values_is_refused_in_words_or_can_be_used(folder: Path, text: str) -> None:
    if spec := read(folder, text):
        use(spec)


@pytest.mark.parametrize("text", BASES)
def test_what_is_mutated_is_valid(folder: Path, text: str) -> None:
    spec = read(folder, text)
    assert spec is not None
    use(spec)
