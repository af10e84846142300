"""Pictures as inline SVG: the same bytes for the same input, no fonts, no addresses, no identifiers but their own."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array, Interval
from titleholder.validation.verdict import Verdict

CHALLENGER, CHAMPION = "#c2410c", "#1d4ed8"
INK, MUTED, PALE, FAINT = "#1f2328", "#6b7280", "#9aa1ab", "#d1d5db"
WIDTH, HEIGHT = 5.0, 3.5
"""Inches; a picture is as wide as half a page."""
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


class Picture(NamedTuple):
    """An inline SVG, what stands in its place for those who do not see it, and its caption."""

    svg: Markup
    alt: str
    caption: str


class Model(NamedTuple):
    """A model's name and scores, shape (n,), and how it is drawn throughout: never told apart by colour alone."""

    name: str
    scores: Array
    color: str
    line: Any
    marker: str


def models(evidence: Evidence, verdict: Verdict, version: int) -> list[Model]:
    """The challenger, and the champion where one reigns."""
    both = [Model(f"challenger, version {version}", evidence.challenger, CHALLENGER, "-", "o")]
    if evidence.champion is not None:
        name = f"champion, version {verdict.champion.version}" if verdict.champion else "champion"
        both.append(Model(name, evidence.champion, CHAMPION, (0, (4, 1.5)), "s"))
    return both


def picture(
    name: str, alt: str, caption: str, draw: Callable[[Figure], None], *, width: float = WIDTH, height: float = HEIGHT
) -> Picture:
    """Draw on a figure of that many inches; `name` keeps its identifiers apart from those of other pictures."""
    file = StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(file, format="svg", metadata=_NO_METADATA, dpi=144)
    return Picture(_inline(file.getvalue(), name, alt), alt, caption)


def whiskers(axes: Axes, along: ArrayLike, found: Sequence[Interval], *, flat: bool = False, **how: Any) -> None:
    """Estimates with their intervals at places `along` the other axis; a bound that is not finite is left out."""
    values = np.array([f.estimate for f in found], dtype=np.float64)
    bounds = np.array([[f.estimate - f.lower, f.upper - f.estimate] for f in found], dtype=np.float64).T.reshape(2, -1)
    reach = np.clip(np.where(np.isfinite(bounds), bounds, 0.0), 0.0, None)
    how = {"fmt": "o", "capsize": 2.5, "elinewidth": 1.2, "capthick": 1.2, **how}
    at = np.asarray(along, dtype=np.float64)
    if flat:
        axes.errorbar(values, at, xerr=reach, **how)
    else:
        axes.errorbar(at, values, yerr=reach, **how)


def as_percentages(*axes: Axis) -> None:
    """Shares as `5%`, without needless places."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}%"))


def thin(*curves: Array, most: int = 300) -> list[Array]:
    """At most so many points of a curve, its ends among them; the arrays have equal length."""
    n = len(curves[0])
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
    return [curve[kept] for curve in curves]


def _inline(text: str, name: str, alt: str) -> Markup:
    """The drawing alone, as a part of an HTML page: two decimals, the page's font, only identifiers that are used."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"(?<= )xlink:href=", "href=", svg)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (d|x|y|transform|points)="[^"]*"', lambda m: _rounded(m[0]), svg)
    head, drawing = svg.split(">", 1)
    left, top, width, height = re.findall(r"[\d.]+", head[head.index("viewBox=") :])[:4]
    size = f'viewBox="{left} {top} {width} {height}" width="{_pixels(width)}" height="{_pixels(height)}"'
    whole = f'<svg role="img" aria-label="{escape(alt)}" {size}>{drawing}'
    return Markup(re.sub(r"\s*\n\s*", "\n", whole).strip())  # noqa: S704 - matplotlib has escaped every text in it


def _rounded(attribute: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), attribute)


def _pixels(points: str) -> str:
    return f"{float(points) * 4 / 3:.0f}"
