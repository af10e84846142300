"""Reading a folder of specs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from support.factories import SQL, YAML, a_spec
from support.specs import bent, complaint, write
from titleholder.errors import SpecError, UsageError
from titleholder.spec import loader
from titleholder.spec.files import read_yaml
from titleholder.spec.loader import DEFAULT_FOLDER, load_spec, load_specs, models_folder
from titleholder.spec.model import ModelSpec


def test_the_shipped_specs_all_load() -> None:
    specs = load_specs(DEFAULT_FOLDER)
    assert not specs.errors
    assert {"demo_default", "demo_loss", "lending_club_default"} <= set(specs.models)


def test_a_file_gives_what_the_same_words_in_memory_give(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path)) == a_spec()


def test_sql_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "small.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(
        SpecError, match=r"source\.query: 'small\.sql' cannot be read: it is not UTF-8: invalid start byte at byte 0"
    ):
        load_spec(path)


def test_sql_belongs_into_its_own_file(tmp_path: Path) -> None:
    found = complaint(tmp_path, YAML + "sql: select 1\n")
    assert found.endswith(": sql: write the query into a file and name it under source.query")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("owner: credit-risk", "owner: a\nowner: b", "small.yaml, line 3: owner: given twice"),
        ("  seed: 7", "  seed: 7\n  seed: 8", "small.yaml, line 24: training.seed: given twice"),
    ],
)
def test_a_key_given_twice_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert complaint(tmp_path, bent((old, new))) == message


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "small.yaml: a spec is a mapping of keys such as name, source" in complaint(tmp_path, text)


def test_broken_yaml_is_reported_with_its_line(tmp_path: Path) -> None:
    found = complaint(tmp_path, bent(("[income, debt]", "[income, debt")))
    assert found.startswith("small.yaml is not valid YAML")
    assert "line 13" in found


def test_the_name_must_be_the_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"line 1: name: 'small' must equal the file's name, 'other'"):
        load_spec(write(tmp_path, name="other"))


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    text = bent(("low: 0.01", "low: 1e-3"), ("params: {max_iter: 500}", "params: {max_iter: 500, tol: 1e-4}"))
    candidate = load_spec(write(tmp_path, text)).training.candidates["line"]
    assert candidate.params["tol"] == 0.0001
    assert candidate.search["C"].low == 0.001  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "broken",
    [
        bent(("name: small", "name: broken"), ("seed: 7", "seed: x")),
        bent(("start_date: 2020-01-01", "start_date: 2020-13-01")),
        bent(("owner:", "2020-01-01: x\nowner:")),
        "a: [",
        "",
    ],
)
def test_one_broken_file_leaves_the_others_working(tmp_path: Path, broken: str) -> None:
    write(tmp_path)
    write(tmp_path, broken, name="broken")
    specs = load_specs(tmp_path)
    assert list(specs.models) == ["small"]
    assert list(specs.errors) == ["broken"]
    assert "broken.yaml" in str(specs.errors["broken"])
    with pytest.raises(SpecError, match="broken"):
        specs["broken"]


@pytest.mark.parametrize("only", [None, "smal"])
def test_a_mistyped_model_is_answered_with_the_nearest(tmp_path: Path, only: str | None) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match=r"no model 'smal'\. Did you mean 'small'\? Known models: small"):
        load_specs(tmp_path, only=only)["smal"]


def test_an_empty_folder_knows_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no model 'x'\. Known models: none"):
        load_specs(tmp_path)["x"]


def test_only_one_file_is_read_when_one_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "a: [", name="broken")
    specs = load_specs(tmp_path, only="small")
    assert (list(specs.models), list(specs.errors)) == (["small"], [])


@pytest.mark.parametrize("name", ["small.yml", "small.YAML", "credit/small.yaml", "credit/eu/small.yml"])
def test_a_spec_may_be_in_a_folder_below_and_end_in_yml(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path.parent).rename(path)
    assert load_specs(tmp_path)["small"] == a_spec()
    assert load_specs(tmp_path, only="small")["small"] == a_spec()


def test_a_byte_order_mark_is_no_part_of_a_spec_or_its_query(tmp_path: Path) -> None:
    path = write(tmp_path)
    for file in (path, tmp_path / "small.sql"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_spec(path) == a_spec()


@pytest.mark.parametrize("only", [None, "small"])
def test_two_files_of_one_model_are_named(tmp_path: Path, only: str | None) -> None:
    (tmp_path / "eu").mkdir()
    write(tmp_path), write(tmp_path / "eu"), write(tmp_path, YAML.replace("name: small", "name: other"), name="other")
    specs = load_specs(tmp_path, only=only)
    assert list(specs.models) == ([] if only else ["other"])
    expected = "small: 2 files have this model's name: eu/small.yaml and small.yaml. Rename or delete all but one"
    assert str(specs.errors["small"]) == expected


def test_files_that_look_like_specs_and_are_not_read_are_listed(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("small.yaml.txt", "small.yml.bak", "notes.txt", "mayor.yams"):
        (tmp_path / name).write_text(YAML)
    assert [path.name for path in load_specs(tmp_path).not_read] == ["small.yaml.txt", "small.yml.bak"]


def test_hidden_folders_are_left_out_as_in_a_mounted_config_map(tmp_path: Path) -> None:
    copies = tmp_path / "..2026_01_01"
    copies.mkdir()
    write(copies)
    for name in ("small.yaml", "small.sql"):
        (tmp_path / name).symlink_to(copies / name)
    assert load_specs(tmp_path)["small"] == a_spec()


def test_the_folder_is_the_one_given_else_that_of_the_environment_else_the_clones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path / "given", tmp_path / "named"
    given.mkdir()
    named.mkdir()
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(named))
    assert models_folder(given) == given
    assert models_folder() == named
    monkeypatch.setenv("TITLEHOLDER_MODELS", "")
    assert models_folder() == DEFAULT_FOLDER


def test_outside_a_clone_the_error_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package lies in site-packages, where another package may be called `models`."""
    (tmp_path / "site-packages" / "models").mkdir(parents=True)
    monkeypatch.setattr(loader, "DEFAULT_FOLDER", tmp_path / "site-packages" / "models")
    monkeypatch.delenv("TITLEHOLDER_MODELS", raising=False)
    with pytest.raises(UsageError, match="set TITLEHOLDER_MODELS"):
        load_specs()


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no folder .*gone: it holds the models"):
        load_specs(tmp_path / "gone")
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match=r"no folder .*gone \(TITLEHOLDER_MODELS\)"):
        load_specs()


def test_a_file_that_makes_the_reading_itself_fail_leaves_the_others_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path) -> object:
        if path.stem == "broken":
            raise KeyError("x")
        return read_yaml(path)

    write(tmp_path), write(tmp_path, name="broken")
    monkeypatch.setattr(loader, "read_yaml", fails)
    specs = load_specs(tmp_path)
    assert list(specs.models) == ["small"]
    assert str(specs.errors["broken"]) == "broken.yaml: the spec cannot be read: KeyError: 'x'"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_lost_link(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_large_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_pipe, "it is no regular file"),
        (a_device, "it is no regular file"),
        (a_lost_link, "it is a link to a file that does not exist"),
        (a_large_file, "it is larger than 256 KB"),
        (lambda path: path.write_bytes(YAML.encode("utf-16")), "it is not UTF-8: invalid start byte at byte 0"),
    ],
)
@pytest.mark.parametrize("name", ["odd.yaml", "odd.sql"])
def test_what_is_no_file_of_text_is_an_error_of_its_model_only(
    tmp_path: Path, make: Callable[[Path], None], said: str, name: str
) -> None:
    """A pipe was waited for, a device read without end, and a link that leads nowhere left its model out silently."""
    write(tmp_path)
    if name == "odd.sql":
        write(tmp_path, YAML.replace("name: small", "name: odd").replace("small.sql", "odd.sql"), name="odd")
    make(tmp_path / name)
    begun = time.process_time()
    specs = load_specs(tmp_path)
    assert time.process_time() - begun < 2
    assert list(specs.models) == ["small"]
    assert said in str(specs.errors["odd"])
    assert "odd.yaml" in str(specs.errors["odd"])


def test_a_file_name_that_cannot_be_printed_is_named_in_characters_that_can(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / os.fsdecode(b"a\xff\x1b[31m.yaml")).write_text(YAML)
    specs = load_specs(tmp_path)
    assert list(specs.models) == ["small"]
    ((name, error),) = specs.errors.items()
    assert (name.isprintable(), str(error).isascii()) == (True, True)


FULL = """\
notifications:
  deadline: 12 hours
  email: {to: [credit-risk@example.org], connection: mail}
  slack: {connection: chat}
"""


def read(folder: Path, notifications: str) -> ModelSpec:
    (folder / "small.sql").write_text(SQL)
    (folder / "small.yaml").write_text(YAML + notifications)
    return load_spec(folder / "small.yaml")


def test_notifications_are_read_from_a_file(tmp_path: Path) -> None:
    found = read(tmp_path, FULL).notifications
    assert found.deadline == timedelta(hours=12)
    assert found.email is not None
    assert (found.email.to, found.email.connection) == (("credit-risk@example.org",), "mail")
    assert found.slack is not None
    assert found.slack.connection == "chat"


def test_the_connections_have_the_names_that_airflow_gives_them(tmp_path: Path) -> None:
    found = read(tmp_path, "notifications:\n  email: {to: [a@b]}\n  slack: {}\n").notifications
    assert found.email is not None
    assert found.slack is not None
    assert (found.email.connection, found.slack.connection) == ("smtp_default", "slack_webhook_default")
