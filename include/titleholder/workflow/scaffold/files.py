"""The two files of a new model: written from a table of the warehouse, never over files that are there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from titleholder.data.table_profile import ColumnProfile, TableProfile
from titleholder.data.table_reader import TableReader, reading
from titleholder.errors import UsageError
from titleholder.plain_text import one_line
from titleholder.spec import cadence
from titleholder.spec.files import SpecLoader
from titleholder.spec.loader import load_spec, models_folder
from titleholder.spec.metrics import METRICS
from titleholder.spec.types import NAME_PATTERN
from titleholder.workflow.scaffold import calendar, roles
from titleholder.workflow.scaffold import duration as durations
from titleholder.workflow.scaffold.calendar import Calendar, History
from titleholder.workflow.scaffold.duration import Duration
from titleholder.workflow.scaffold.items import Item
from titleholder.workflow.scaffold.names import aliases, words
from titleholder.workflow.scaffold.outcome import Choices, is_dated_by
from titleholder.workflow.scaffold.rhythm import Rhythm, time_features
from titleholder.workflow.scaffold.rhythm import find as find_rhythm
from titleholder.workflow.scaffold.roles import Roles
from titleholder.workflow.scaffold.vocabulary import END_WORDS

WIDTH = 116
"""The longest line that is written, where nothing in it is longer."""


class Draft(NamedTuple):
    """What is going to be written about a model: its name, its table and the guesses."""

    model: str
    owner: str
    connection: str
    table: TableProfile
    roles: Roles
    calendar: Calendar
    lag: float | None
    later: tuple[str, ...]
    """Dates after the event, perhaps the outcome's."""
    today: date
    outcome_at: ColumnProfile | None = None
    """The date of the outcome 1, of a table that has it in these rows only. That of a number is `known_at`."""
    rhythm: Rhythm | None = None
    duration: Duration | None = None
    """That of an outcome which is decided when a limit has passed."""


class Written(NamedTuple):
    """The files of a new model, and what was guessed."""

    spec: Path
    query: Path
    draft: Draft


def write(
    model: str, table: str, choices: Choices, *, url: str, connection: str, owner: str, today: date,
    schedule: str | None = None, force: bool = False, on_column: Callable[[str], None] = lambda _: None,
) -> Written:  # fmt: skip
    """Write `<model>.yaml` and `<model>.sql` into the models folder, from the columns and values of a table.

    What is written is a valid spec. Files that are there stay as they are, without `force`.

    Raises:
        UsageError: for an invalid name, existing files, an unknown table, or a role that cannot be guessed.
        ServiceError: when the warehouse cannot be reached.
        DataError: when the table cannot be read.
    """
    spec, query = _paths(model, force=force)
    if schedule is not None and (fault := cadence.fault(schedule)):
        raise UsageError(f"--schedule: {schedule!r} {fault}")
    with reading(url, table, connection) as reader:
        profile = reader.profile(on_column)
        if not profile.rows:
            raise UsageError(f"--from: {profile.name} has no rows to guess from; load some first")
        found = roles.guess(profile, choices, reader)
        later, pace = _later(found, reader), find_rhythm(profile, found.event, reader)
        happened = _outcome_date(found, later, reader)
        duration = durations.find(found, later, reader)
    if happened and found.task == "regression":
        found = roles.known_from(found, happened, aliases(c.name for c in profile.columns)[happened.name])
        happened = None
    found = durations.decided(found, duration)
    more = time_features(pace, found.event, (*found.numeric, *found.categorical))
    found = replace(found, numeric=(*found.numeric, *more))
    tells = _tells(later, found, happened)
    history = _history(profile, found, tells)
    lag = duration.days if duration else _lag(tells, history)
    times = calendar.plan(history, lag, schedule, today, pace)
    others = tuple(name for name in later if not found.known or name != found.known.name)
    draft = Draft(model, owner, connection, profile, found, times, lag, others, today, happened, pace, duration)
    query.write_text(render("model.sql.j2", draft), encoding="utf-8")
    spec.write_text(render("model.yaml.j2", draft), encoding="utf-8")
    load_spec(spec)
    return Written(spec, query, draft)


def _paths(model: str, *, force: bool) -> tuple[Path, Path]:
    if not re.fullmatch(NAME_PATTERN, model):
        raise UsageError(f"{model!r} is no name for a model: lower-case letters, digits and _, such as loan_default")
    folder = models_folder()
    spec, query = folder / f"{model}.yaml", folder / f"{model}.sql"
    if (there := [p.name for p in (spec, query) if p.exists()]) and not force:
        raise UsageError(f"{' and '.join(there)} in {folder} would be overwritten; choose another name, or use --force")
    return spec, query


def _later(found: Roles, reader: TableReader) -> dict[str, float]:
    """For each date that lies after the event, the days within which 99 of 100 follow it."""
    dates = [*found.later, *([found.known] if found.known else [])]
    lags = {c.name: reader.days_between(found.event, c) for c in dates}
    return {name: high for name, (low, high) in lags.items() if low >= 0 < high}


def _outcome_date(found: Roles, later: dict[str, float], reader: TableReader) -> ColumnProfile | None:
    """The date after the event that is the outcome's, see `is_dated_by`; None where rows are recorded later.

    Of several, one whose name says that something ended. The values decide, because names are in any language.
    """
    if found.known:
        return None
    dates = (c for c in found.later if c.name in later)
    fitting = [c for c in dates if is_dated_by(found.task, found.target.sql, c, reader)]
    return max(fitting, key=lambda c: bool(words(c.name) & END_WORDS), default=None)


def _tells(later: dict[str, float], found: Roles, happened: ColumnProfile | None) -> dict[str, float]:
    """Of the dates after the event those that seem to say when the outcome was known."""
    sure = {c.name for c in (found.known, happened) if c}
    return {name: lag for name, lag in later.items() if name in sure or words(name) & END_WORDS}


def _lag(tells: dict[str, float], history: History) -> float | None:
    """How many days after the event the outcome is known, for 99 of 100 rows; None where no date can say."""
    return max((lag for lag in tells.values() if lag < (history.last - history.first).days / 2), default=None)


def _history(table: TableProfile, found: Roles, tells: dict[str, float]) -> History:
    first, last = found.event.first, found.event.last
    if first is None or last is None:
        raise UsageError(f"{table.name}: {found.event.name} has no values: when did the events happen?")
    events = round(found.events * table.total / table.rows)
    dates = [*found.later, *([found.known] if found.known else [])]
    facts = [c.last.date() for c in dates if c.last and c.name in tells]
    return History(first.date(), last.date(), table.total, events, max(facts, default=None))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("titleholder.workflow.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (YAML and SQL, not HTML)
    )
    found.filters |= {
        "scalar": _scalar,
        "one_line": one_line,
        "comment": _comment,
        "names": _flow_list,
        "selected": _selected,
        "listed": _listed,
        "sources": _sources,
    }
    found.globals["history"] = _history_column
    return found


def render(template: str, draft: Draft) -> str:
    """The text of one of the two files."""
    changed, trusted = _overwritten(draft)
    given, happened = aliases(c.name for c in draft.table.columns), draft.outcome_at
    more: dict[str, Any] = {
        "changed": changed,
        "trusted": trusted,
        "written": draft.roles.known or happened or (draft.duration and draft.duration.end),
        "amounts": [name for name, info in METRICS.items() if info.task == draft.roles.task and info.share_of is None],
        "outcome_alias": given[happened.name] if happened else "",
    }
    return _environment().get_template(template).render({**draft._asdict(), **more})


def _overwritten(draft: Draft) -> tuple[list[str], list[str]]:
    """The table's columns that are written with the outcome, dates too, or look so; and all others that are used."""
    given, roles = aliases(c.name for c in draft.table.columns), draft.roles
    features = [*roles.numeric, *roles.categorical, *roles.protected]
    used = {item.alias for item in (roles.entity, roles.event_time, *features, *filter(None, [roles.cluster]))}
    changed = dict.fromkeys([roles.outcome.name, *([roles.known.name] if roles.known else []), *draft.later])
    changed |= dict.fromkeys(name for name, _ in roles.overwritten)
    return [*changed], [name for name, alias in given.items() if alias in used and name not in changed]


def _history_column(column: ColumnProfile) -> str:
    """A date as `source.tables` names it: the column, or what makes a date of a text."""
    return column.moment if column.date_format else column.name


def _listed(names: list[str], indent: int, mark: str = "") -> str:
    """Names of the table's columns as a YAML list in brackets, over several lines where it is long."""
    lines = [""]
    for name in map(_in_brackets, names):
        if lines[-1] and len(lines[-1]) + len(name) > WIDTH - indent - len(mark):
            lines.append("")
        lines[-1] += f"{name}, "
    next_line = f"\n{mark}{' ' * indent}"
    return f"[{next_line.join(line.rstrip() for line in lines).removesuffix(',')}]"


def _in_brackets(name: str) -> str:
    """A text as an item of a YAML list in brackets, in double quotes unless it is a plain word."""
    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and yaml.load(name, SpecLoader) == name:  # noqa: S506  (a SafeLoader)
        return name
    quoted: str = yaml.safe_dump(name, default_style='"', width=float("inf"), allow_unicode=False)
    return quoted.strip()


def _sources(names: list[str], indent: int = 6) -> str:
    """The same in a comment, which is valid YAML without one `# ` a line."""
    return _listed(names, indent, "  # ")


def _scalar(value: Any) -> str:
    """A text as YAML, in quotes where YAML would read something else."""
    text = str(value)
    if not text.isprintable():
        return _in_brackets(text)
    try:
        plain = yaml.load(text, SpecLoader) == text and not re.search(r"[:#{}\[\],&*!|>'\"%@`]", text)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError:
        plain = False
    return text if plain else "'" + text.replace("'", "''") + "'"


def _comment(text: str, mark: str = "#", indent: int = 0) -> str:
    """A comment, over several lines where it is long; its first line is already indented."""
    lines = textwrap.wrap(
        one_line(text), WIDTH - indent - len(mark) - 1, break_long_words=False, break_on_hyphens=False
    )
    return f"\n{' ' * indent}".join(f"{mark} {line}" for line in lines)


def _flow_list(items: tuple[Item, ...], key: str) -> str:
    """A key of `columns` and names as a YAML list in brackets, over several lines where it is long."""
    text = ", ".join(_scalar(item.alias) for item in items)
    if len(text) + len(key) + 6 <= WIDTH:
        return f"{key}: [{text}]"
    lines = textwrap.wrap(text, WIDTH - 5, break_long_words=False)
    return f"{key}:\n    [{f'{chr(10)}     '.join(lines)}]"


def _selected(item: Item) -> str:
    """A column of the SELECT list."""
    return item.sql if item.sql == item.alias else f"{item.sql} as {item.alias}"
