"""YAML within bounds: what a spec does not need is refused with its file, line and key, whatever it would do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from support.factories import YAML
from support.specs import bent, complaint, write
from titleholder.errors import SpecError
from titleholder.spec.files import DEEPEST, LARGEST, MOST, SpecLoader, read_yaml
from titleholder.spec.loader import load_specs

LAST = len(YAML.splitlines()) + 1
"""The line behind the valid YAML."""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (YAML + "!!binary YQ==: 1\n", f"line {LAST}: !!binary is a tag, which a spec cannot have"),
        (YAML + "!!timestamp 2020-01-01: 1\n", f"line {LAST}: !!timestamp is a tag"),
        (YAML + "1: x\n", f"line {LAST}: the key '1' is not read as text by YAML; put it in quotes"),
        (YAML + "~: x\n", f"line {LAST}: the key '~' is not read as text by YAML"),
        (bent(("floors: {roc_auc: 0.55}", "floors: {no: 1}")), "line 39: judgement.floors: the key 'no' is not read as text by YAML"),
        (YAML + "? [a, b]\n: x\n", f"line {LAST}: a key is text, neither a list nor a mapping"),
        (YAML + "? {a: b}\n: x\n", f"line {LAST}: a key is text, neither a list nor a mapping"),
        (YAML + '"\\e[31mx": 1\n', f"line {LAST}: a key has at most 200 characters, none of which controls"),
        (YAML + "k" * 201 + ": 1\n", f"line {LAST}: a key has at most 200 characters"),
        (bent(("seed: 7", "seed: !!bool x")), "line 23: training.seed: !!bool is a tag"),
        (bent(("seed: 7", "seed: !!int ''")), "line 23: training.seed: !!int is a tag"),
        (bent(("owner: credit", "owner: !!python/object:os.system credit")), "line 2: owner: !!python/object:os.system is"),
        (bent(("[income, debt]", "[income, !own debt]")), "line 13: columns.numeric.1: !own is a tag"),
        (BOMB, "line 1: a: &a is an anchor, which a spec cannot have; leave it out"),
        (YAML + "x: *a\n", f"line {LAST}: x: *a is an alias, which a spec cannot have; write the value out"),
        (YAML + "x: &x\n  y: *x\n", f"line {LAST}: x: &x is an anchor"),
        (bent(("owner: credit", 'owner: "a\\0b" #')), "line 2: owner: a NUL character or half of a character is not text"),
        (bent(("owner: credit", 'owner: "\\ud800" #')), "line 2: owner: a NUL character or half of a character is not text"),
        ("a: " + "[" * 100_000, f"line 1: a{'.0' * DEEPEST}: more than {DEEPEST} levels"),
        ("{a: " * 60_000, f"line 1: {'.'.join('a' * (DEEPEST + 1))}: more than {DEEPEST} levels"),
        ("a:\n" + "- 1\n" * 60_000, f"a.9997: more than {MOST:,} keys and values"),
        ("k: 1\n" + "".join(f"k{n}: 1\n" for n in range(25_000)), f"more than {MOST:,} keys and values"),
    ],
)  # fmt: skip
def test_what_a_spec_does_not_need_is_refused_with_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    """Each of these took all models down, took minutes, or was accepted as something else."""
    begun = time.process_time()
    found = complaint(tmp_path, text)
    assert time.process_time() - begun < 3
    assert found.startswith("small.yaml, ")
    assert said in found


@pytest.mark.parametrize(
    "text",
    [
        bent(("seed: 7", "seed: 0x" + "F" * 100_000)),
        bent(("seed: 7", "seed: 1" + ":1" * 120_000)),
        bent(("seed: 7", "seed: 1" + "0" * 5000)),
        bent(("12 months", "9" * 5000 + " months")),
        bent(("[income, debt]", "[" + ",".join("1" * 1000) + "]")),
        bent(("[income, debt]", "[" + ",".join(["x"] * 9000) + "]")),
        bent(("[income, debt]", "[" + ",".join(f"x{n}" for n in range(9000)) + "]")),
        bent(("search: {trials", "searc: {" + ",".join(f"k{n}: 1" for n in range(4000)) + ", trials")),
        bent(("{max_iter: 500}", "{" + ",".join(f"k{n}: 1" for n in range(4000)) + "}")),
        YAML + "".join(f"k{n}: 1\n" for n in range(4900)),
        bent(("    line:", "".join(f"    a{n}: {{estimator: sklearn.x.Y}}\n" for n in range(3000)) + "    line:")),
        bent(("sklearn.linear_model.LogisticRegression", "sklearn." + "a" * 300 + ".B")),
        bent(("sklearn.linear_model.LogisticRegression", "a." * 50_000 + "B")),
        bent(("small.sql", "a" * 300 + ".sql")),
        "# " * (LARGEST // 2 - 10) + "\n",
        "'" + "a\n" * (LARGEST // 2 - 10) + "'",
        "? " * (LARGEST // 2 - 10),
        "- " * (LARGEST // 2 - 10),
        "a: " * (LARGEST // 3 - 10),
        "[" + "a:" * (LARGEST // 2 - 10) + "]",
        "&" + "a" * (LARGEST - 10) + " x",
        "%TAG ! " + "x" * (LARGEST - 10),
        "---\n" * (LARGEST // 4 - 10),
    ],
)
def test_an_odd_file_is_refused_in_little_time_and_in_few_words(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    write(tmp_path, YAML.replace("name: small", "name: other"), name="other")
    begun = time.process_time()
    specs = load_specs(tmp_path)
    assert time.process_time() - begun < 5
    assert list(specs.models) == ["other"]
    assert len(str(specs.errors["small"])) < 40_000


def test_numbers_are_decimal_and_other_words_text() -> None:
    text = "{a: 010, b: 0x1F, c: 1:30, d: 1_000, e: -2.5e3, f: .inf, g: 1., h: 2020-01-01, i: no, j: 1:30.5, k: 0b1}"
    assert yaml.load(text, SpecLoader) == {
        "a": "010", "b": "0x1F", "c": "1:30", "d": 1000, "e": -2500.0, "f": float("inf"), "g": 1.0, "h": "2020-01-01",
        "i": False, "j": "1:30.5", "k": "0b1",
    }  # fmt: skip


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a:\n  b: [1,\n    2]\nc: {d: e}\n")
    data, lines = read_yaml(path)
    assert data == {"a": {"b": [1, 2]}, "c": {"d": "e"}}
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", "0"): 2, ("a", "b", "1"): 3, ("c",): 4, ("c", "d"): 4}


def test_two_documents_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n---\nb: 2\n")
    with pytest.raises(
        SpecError, match=r'x\.yaml is not valid YAML: expected a single document.*\s+in "x\.yaml", line 1'
    ):
        read_yaml(path)
