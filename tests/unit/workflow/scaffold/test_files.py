"""The files of a new model: whatever the names in a table are, what is written can be read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.data.table_profile import ColumnProfile, TableProfile
from titleholder.errors import UsageError
from titleholder.spec.loader import load_spec
from titleholder.spec.sql import quoted
from titleholder.workflow.scaffold import calendar, files
from titleholder.workflow.scaffold.calendar import History
from titleholder.workflow.scaffold.files import Draft, render
from titleholder.workflow.scaffold.items import Item, LeftOut
from titleholder.workflow.scaffold.names import aliases
from titleholder.workflow.scaffold.outcome import Choices
from titleholder.workflow.scaffold.roles import Roles

TODAY = date(2026, 11, 26)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


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
        conditions=(), events=900, event=event, known=columns[2], later=(columns[0],),
    )  # fmt: skip
    table = TableProfile(name=quoted(names[0]), is_view=False, rows=9_000, total=9_000, columns=tuple(columns))
    times = calendar.plan(History(first.date(), last.date(), 9_000, 900), 30.0, None, TODAY)
    return Draft("small", owner, "warehouse", table, roles, times, 30.0, (names[0],), TODAY)


@given(names=st.lists(NAMES, unique=True, min_size=5, max_size=60), owner=NAMES)
def test_any_names_give_a_spec_that_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], owner: str
) -> None:
    folder, draft = tmp_path_factory.mktemp("models"), a_draft(names, owner)
    (folder / "small.sql").write_text(render("model.sql.j2", draft), encoding="utf-8")
    (folder / "small.yaml").write_text(render("model.yaml.j2", draft), encoding="utf-8")
    spec = load_spec(folder / "small.yaml")
    assert spec.columns.all == [aliases(names)[n] for n in names]
    assert spec.owner == owner
    (declared,) = spec.source.tables.values()
    assert declared != "static"
    assert declared.known_at == names[2]


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
