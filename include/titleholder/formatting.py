"""Numbers, dates, names and outcomes as text for people: on cards, pages and in tables (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

NAMES = {
    "roc_auc": "ROC AUC",
    "gini": "Gini",
    "ks": "KS",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "profit": "Profit a row",
    "emp": "Expected maximum profit",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "pinball": "Pinball loss",
}
COMMON_NOUNS = ("log_loss", "profit", "emp", "pinball")
"""Metrics whose names begin with a capital only where a sentence or a heading begins."""
_DECISIONS = {
    "promote": ("{new} promoted over {old}", "{new} promoted, the first champion"),
    "keep": ("{old} kept, {new} not promoted", "{new} not promoted, no champion yet"),
    "reject": ("{new} rejected, {old} stays champion", "{new} rejected, no champion yet"),
    "retire": (
        "retirement of the model advised, {old} stays champion until somebody acts; {new} not promoted",
        "retirement of the model advised, {new} not promoted",
    ),
    "recall": (
        "{recalled}, trained earlier, became champion in place of {old}; the new {new} did not",
        "{recalled}, trained earlier, became champion; the new {new} did not",
    ),
    "ask": (
        "approval requested to promote {new} over {old}",
        "approval requested to promote {new}, the first champion",
    ),
    "ask to recall": (
        "approval requested to make {recalled}, trained earlier, champion in place of {old}, and not the new {new}",
        "approval requested to make {recalled}, trained earlier, champion, and not the new {new}",
    ),
    "rollback": ("rolled back to {new}", "rolled back to {new}"),
    "decline": ("rollback declined, {old} stays champion", "rollback declined, the model stays retired"),
    "withdraw": ("model retired, {old} is champion no more", "model retired, it has no champion any more"),
}
_PROPOSALS = {
    "promote": ("proposed to promote {new} over {old}", "proposed to promote {new}, the first champion"),
    "keep": ("proposed to keep {old} and not to promote {new}", "proposed not to promote {new}, no champion yet"),
    "reject": ("proposed to reject {new}, {old} stays champion", "proposed to reject {new}, no champion yet"),
    "retire": ("proposed to retire the model: {old} is no longer good enough", "proposed to retire the model"),
    "recall": (
        "proposed to make {recalled}, trained earlier, champion in place of {old}, and not the new {new}",
        "proposed to make {recalled}, trained earlier, champion, and not the new {new}",
    ),
    "rollback": ("proposed to roll back to {new}", "proposed to roll back to {new}"),
}
NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
HUNDREDTHS = 100.0
"""Numbers of this size have two decimal places."""
LONGEST = 28
"""The greatest length of a label in a picture."""


def metric(name: str, *, inside: bool = False) -> str:
    """`ROC AUC` for `roc_auc`; an unknown name is returned as it is. `inside` a sentence common nouns have no capital.

    >>> metric("pinball"), metric("pinball", inside=True), metric("brier", inside=True)
    ('Pinball loss', 'pinball loss', 'Brier score')
    """
    text = NAMES.get(name, name)
    return text[0].lower() + text[1:] if inside and name in COMMON_NOUNS else text


def outcome(kind: str, new: int | None, old: int | None, *, recalled: int | None = None, proposed: bool = False) -> str:
    """The effect of a decision, or of a proposal, on the challenger `new` and the champion `old` (None: no champion).

    `recalled` is the former version that becomes champion instead, if one does.

    >>> outcome("promote", 4, 3)
    'version 4 promoted over version 3'
    >>> outcome("recall", 4, 3, recalled=1)
    'version 1, trained earlier, became champion in place of version 3; the new version 4 did not'
    """
    table = _PROPOSALS if proposed else _DECISIONS
    versions = {"new": f"version {new}", "old": f"version {old}", "recalled": f"version {recalled}"}
    if kind == "ask" and recalled is not None:
        kind = "ask to recall"
    if kind not in table:
        return f"{kind}, challenger {versions['new']}, champion {versions['old'] if old else 'none'}"
    with_champion, without = table[kind]
    return (with_champion if old else without).format(**versions)


def scale(values: Iterable[float | None]) -> float:
    """The largest absolute value of the finite numbers, 0 without any; the `like` of a column's numbers."""
    return max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)


def number(value: float | None, like: float | None = None, sign: str = "") -> str:
    """Grouped by thousands, with the decimal places for a number of the size of `like`; `sign="+"` prints a plus.

    >>> number(12345.678), number(0.71234), number(0.5, like=250.0)
    ('12,346', '0.7123', '0.50')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    places = _places(abs(value if like is None else like))
    return f"{round(value, places) + 0.0:{sign},.{places}f}".replace("-", MINUS)


def signed(value: float | None, like: float | None = None) -> str:
    """A number with its sign."""
    return number(value, like, "+")


def between(lower: float | None, upper: float | None, like: float | None = None, sign: str = "") -> str:
    """`0.12 to 0.34`; a dash without finite bounds."""
    if lower is None or upper is None or not (math.isfinite(lower) or math.isfinite(upper)):
        return NOTHING
    return f"{number(lower, like, sign)} to {number(upper, like, sign)}"


def exact(value: float) -> str:
    """Up to six significant digits, whole numbers in full.

    >>> exact(0.25), exact(1234567.0), exact(-5) == f"{MINUS}5"
    ('0.25', '1,234,567', True)
    """
    found = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return found.replace("-", MINUS)


def tenths(value: float) -> str:
    """Grouped by thousands, with one decimal place below a thousand.

    >>> tenths(2.31), tenths(8796.3), tenths(-2.31) == f"{MINUS}2.3"
    ('2.3', '8,796', True)
    """
    places = 1 if abs(value) < 1000 else 0
    return f"{round(value, places) + 0.0:,.{places}f}".replace("-", MINUS)


def count(value: int) -> str:
    """Grouped by thousands."""
    return f"{value:,}"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "lane"), counted(1200, "lane")
    ('1 lane', '1,200 lanes')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """`6.5%`."""
    return NOTHING if share is None or not math.isfinite(share) else f"{share:.1%}".replace("-", MINUS)


def probability(value: float | None) -> str:
    """`6.5%`; one that would round to none or to all is `<0.1%` or `>99.9%`: nothing is impossible or certain.

    >>> probability(0.0), probability(0.0004), probability(0.0214), probability(0.9999)
    ('<0.1%', '<0.1%', '2.1%', '>99.9%')
    """
    if value is not None and value < 0.0005:
        return "<0.1%"
    return ">99.9%" if value is not None and value >= 0.9995 else percent(value)


def confidence(level: float) -> str:
    """`95%`, `99.5%`."""
    return f"{100 * level:g}%"


def evidence(logarithm: float) -> str:
    """The evidence with this natural logarithm, to three digits; a power of ten if it is large."""
    power = logarithm / math.log(10)
    if power < 3:
        return f"{10**power:.3g}"
    return f"{10**power:,.0f}" if power < 6 else f"10^{power:.1f}"


def date_range(start: date, end: date) -> str:
    """A half-open interval of dates."""
    return f"{start} to before {end}"


def date_labels(days: Sequence[date]) -> list[str]:
    """Labels of an axis: year and month where all days are the same one of different months, else the whole dates.

    >>> date_labels([date(2011, 6, 1), date(2011, 7, 1)]), date_labels([date(2011, 6, 1), date(2011, 6, 8)])
    (['2011-06', '2011-07'], ['2011-06-01', '2011-06-08'])
    """
    months = {(day.year, day.month) for day in days}
    monthly = len({day.day for day in days}) == 1 and len(months) == len(set(days))
    return [f"{day:%Y-%m}" if monthly else str(day) for day in days]


def stamp(moment: datetime | None) -> str:
    """`2026-03-01 06:12 UTC`; empty for None. A moment without a zone is in UTC."""
    if moment is None:
        return ""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def elapsed(seconds: float) -> str:
    """A length of time in its largest unit, rounded down.

    >>> elapsed(93 * 86_400 + 5), elapsed(7199)
    ('93 days', '1 hour')
    """
    sizes = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
    unit = next((unit for unit, size in sizes.items() if seconds >= size), "second")
    return counted(int(seconds // sizes[unit]), unit)


def age_range(above: float, through: float, noun: str) -> str:
    """How much older something is, in units of `noun`.

    >>> age_range(0.0, 2.0, "month"), age_range(2.0, 4.0, "month"), age_range(0.0, 1.0, "week")
    ('up to 2 months', '2 to 4 months', 'up to 1 week')
    >>> age_range(0.5, 1.25, "week")
    '0.5 to 1.2 weeks'
    """
    low, high = (f"{value:.1f}".removesuffix(".0") for value in (above, through))
    return f"{f'up to {high}' if low == '0' else f'{low} to {high}'} {noun}{'' if high == '1' else 's'}"


def docs_address(base: str, path: str) -> str:
    """The address of `docs/…` below that of the docs folder; the path itself without a base.

    >>> docs_address("https://a.example/docs/", "docs/checks.md#th301-gain-sufficient")
    'https://a.example/docs/checks.md#th301-gain-sufficient'
    """
    return f"{base.rstrip('/')}/{path.removeprefix('docs/')}" if base else path


def short(label: str) -> str:
    """One line of printable characters, cut if it is too long for a picture."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(label.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _places(size: float) -> int:
    if size == 0 or 0.001 <= size < 10:
        return 4
    return 6 if size < 0.001 else 2 if size < 1000 else 0
