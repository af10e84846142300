"""The files of a new model: whatever the names in a table are, what is written can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.data.table_profile import ColumnProfile, TableProfile
from titleholder.errors import UsageError
from titleholder.spec.loader import load_spec
from titleholder.spec.sql import quoted
from titleholder.spec.sql_tokens import significant
from titleholder.workflow.scaffold import calendar, files
from titleholder.workflow.scaffold.calendar import History
from titleholder.workflow.scaffold.files import Draft, render
from titleholder.workflow.scaffold.items import Item, LeftOut
from titleholder.workflow.scaffold.names import aliases
from titleholder.workflow.scaffold.outcome import Choices
from titleholder.workflow.scaffold.roles import Roles

TODAY = date(2026, 11, 26)
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\n\r\x85\u2028"),
    min_size=1,
    max_size=40,
)
"""What PostgreSQL takes as a name: line breaks too, as headers of spreadsheets have them."""
KEYWORDS = {"select", "as", "from", "source", "where", "and"}
WITH_AN_OUTCOMES_DATE = {"coalesce", "interval", "false", "int", "case", "when", "then", "end"}


def a_draft(names: list[str], owner: str = "risk") -> Draft:
    """The first four columns are entity, event time, known_at and target, the others features."""
    columns = [ColumnProfile(name=n, quoted=quoted(n), sql_type="bigint", kind="number", distinct=9) for n in names]
    given_names = aliases(names)
    items = [Item(c.quoted, given_names[c.name], f"why {c.name}", f"note {c.name}") for c in columns]
    first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    event = columns[1].model_copy(update={"kind": "date", "first": first, "last": last})
    roles = Roles(
        task="classification", entity=items[0], event_time=items[1], known_at=items[2], target=items[3],
        numeric=tuple(items[4:]), categorical=(), protected=(), left_out=(LeftOut(names[0], "why"),),
        conditions=(), events=900, event=event, known=columns[2], outcome=columns[3], later=(columns[0],),
    )  # fmt: skip
    named = re.sub(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", "_", names[0])  # which no key of a spec has
    table = TableProfile(name=quoted(named), is_view=False, rows=9_000, total=9_000, columns=tuple(columns))
    times = calendar.plan(History(first.date(), last.date(), 9_000, 900), 30.0, None, TODAY)
    return Draft("small", owner, "warehouse", table, roles, times, 30.0, (names[0],), TODAY)


def code(sql: str) -> set[str]:
    """The words of a query that are no quoted names."""
    return {token.identifier for token in significant(sql) if token.kind == "word"}


@given(
    names=st.lists(NAMES, unique=True, min_size=5, max_size=60),
    owner=NAMES.filter(lambda n: n.isprintable() and n.strip()),
)
def test_any_names_give_a_spec_that_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], owner: str
) -> None:
    folder, draft = tmp_path_factory.mktemp("models"), a_draft(names, owner)
    (folder / "small.sql").write_text(render("model.sql.j2", draft), encoding="utf-8")
    (folder / "small.yaml").write_text(render("model.yaml.j2", draft), encoding="utf-8")
    spec = load_spec(folder / "small.yaml")
    known = KEYWORDS | set(aliases(names).values())
    assert code(spec.sql) <= known, "no name of the table is code"
    later = undated(draft, outcome_at=draft.table.columns[0])
    assert code(render("model.sql.j2", later)) <= known | WITH_AN_OUTCOMES_DATE
    assert spec.columns.all == [aliases(names)[n] for n in names]
    assert spec.owner == owner
    (declared,) = spec.source.tables.values()
    assert declared != "static"
    assert declared.known_at == names[2]
    assert set(declared.changes) == {names[3], names[2], names[0]}, "the outcome, and the dates that come with it"


def undated(draft: Draft, **changes: Any) -> Draft:
    """A table that does not say when its rows became known."""
    return draft._replace(roles=replace(draft.roles, known=None, known_at=None), **changes)


def offered(text: str) -> list[str]:
    """The files with each of the offered declarations without one `# ` a line."""
    blocks = re.findall(r"(?:(?<=\n\n)  # .*\n(?:  # .*\n)*)", text)
    tables = [block for block in blocks if block.startswith("  # tables:")]
    return [text.replace(block, block.replace("  # ", "  ")) for block in tables]


@pytest.mark.parametrize("count", [5, 40])
def test_each_declaration_on_offer_is_valid_without_its_comment_marks(tmp_path: Path, count: int) -> None:
    draft = undated(a_draft([f"a long name of a column {n}" for n in range(count)]), later=())
    found = offered(render("model.yaml.j2", draft))
    assert len(found) == 2
    (tmp_path / "small.sql").write_text(render("model.sql.j2", draft))
    for text in found:
        (tmp_path / "small.yaml").write_text(text)
        (declared,) = load_spec(tmp_path / "small.yaml").source.tables.values()
        assert declared != "static"
    assert declared.changes == ("a long name of a column 3",)


def test_a_table_with_a_date_after_the_event_is_not_offered_as_written_once() -> None:
    """It was the first of two offers, and the outcome a fact of the event by it."""
    names = ["parcel_id", "ordered_at", "recorded", "late", "distance", "delivered_at"]
    (only,) = offered(render("model.yaml.j2", undated(a_draft(names), later=("delivered_at",))))
    assert "known_at: delivered_at\n    changes: [late, delivered_at]" in only.replace("      ", "    ")
    assert "written once" not in only


def test_what_looks_overwritten_is_proposed_among_the_changes() -> None:
    """Whoever took the comment marks away trusted a balance as of today."""
    draft = undated(a_draft(["loan_id", "applied_at", "recorded", "bad", "amount", "balance"]), later=("ended_on",))
    doubted = draft._replace(roles=replace(draft.roles, overwritten=(LeftOut("balance", "`balance` in its name"),)))
    (only,) = offered(render("model.yaml.j2", doubted))
    text = " ".join(only.replace("#", "").split())
    assert "changes: [bad, ended_on, balance]" in text
    assert "on_trust: [loan_id, applied_at, amount]" in text
    assert "look overwritten after the event, with the reason for each in small.sql: balance." in text
    assert "look overwritten" not in render("model.yaml.j2", draft)


def test_of_a_number_beyond_a_limit_the_slowest_are_not_called_in_time() -> None:
    """The general advice, that an outcome after the label maturity does not count, made the slowest ones good."""
    draft = undated(a_draft(["parcel_id", "ordered_at", "known", "hours", "distance"]), later=("delivered_at",))
    general = " ".join(render("model.sql.j2", draft).split())
    assert "One later than the label maturity must not" in general
    number = draft._replace(roles=replace(draft.roles, limit="> 72"))
    said = render("model.sql.j2", number).replace("\n    --", "")
    assert "later than the label maturity must not" not in said
    assert "perhaps from delivered_at on" in said
    assert "a duration that already lasts longer than the limit decides" in said


def test_what_is_long_stands_on_several_lines() -> None:
    draft = a_draft([f"a_column_with_a_long_name_{n}" for n in range(60)])
    lines = [*render("model.yaml.j2", draft).splitlines(), *render("model.sql.j2", draft).splitlines()]
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("model", "message"), [("Loans", "no name for a model"), ("1st", "no name for a model"), ("there", "use --force")]
)
def test_a_name_that_cannot_be_used_is_refused_before_the_warehouse_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.setenv("TITLEHOLDER_MODELS", str(tmp_path))
    (tmp_path / "there.sql").write_text("select 1")
    with pytest.raises(UsageError, match=message):
        files.write(model, "t", Choices(), url="nowhere", connection="warehouse", owner="risk", today=TODAY)
    assert [path.name for path in tmp_path.iterdir()] == ["there.sql"]


@pytest.mark.parametrize(("task", "amounts"), [("classification", "roc_auc, gini, ks"), ("regression", "r2")], ids=str)
def test_the_tolerated_loss_is_explained_for_any_metric(task: Any, amounts: str) -> None:
    """0.01 of ROC AUC stayed 0.01 under log_loss, of which it is one per cent; the page named for it says no units."""
    draft = a_draft(["id", "at", "known", "demand", "price"])
    text = render("model.yaml.j2", draft._replace(roles=replace(draft.roles, task=task)))
    said = " ".join(text.replace("\n  #", "").split())
    assert f"Of {amounts} the tolerated loss is an amount; of other metrics it is a share, 0.01 being 1 %." in said
    assert "So change it with the metric" in said
    section = "docs/validation.md#three-rules-for-the-gain"
    assert section in said
    assert "## Three rules for the gain" in (Path(__file__).parents[4] / "docs/validation.md").read_text()


def test_a_draft_that_decides_on_the_order_of_scores_says_what_that_leaves_out() -> None:
    text = render("model.yaml.j2", a_draft(["id", "at", "known", "bad", "price"]))
    above = text.partition("  metric: roc_auc")[0].splitlines()[-2:]
    assert "a wrong level of the probabilities costs" in above[0]


def test_the_date_of_the_outcome_is_declared_where_it_was_found(tmp_path: Path) -> None:
    """docs/point-in-time.md said to declare it, and the draft had found it, and did not."""
    draft = undated(a_draft(["loan_id", "issued", "recorded", "bad", "amount", "Default Date"]))
    found = draft._replace(
        outcome_at=draft.table.columns[5], roles=replace(draft.roles, numeric=draft.roles.numeric[:1])
    )
    sql = render("model.sql.j2", found)
    assert (
        '    case when "Default Date" <= :as_of then "Default Date" end as default_date,  -- columns.outcome_at' in sql
    )
    (tmp_path / "small.sql").write_text(sql)
    (tmp_path / "small.yaml").write_text(render("model.yaml.j2", found))
    assert load_spec(tmp_path / "small.yaml").columns.outcome_at == "default_date"
    assert "outcome_at" not in render("model.yaml.j2", draft)
