"""Figures as SVG pictures for `<img>`: equal input gives equal bytes."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Array, Interval
from titleholder.validation.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CHALLENGER, CHAMPION = "#c2410c", "#1d4ed8"
INK, MUTED, PALE, FAINT = "#1f2328", "#6b7280", "#9aa1ab", "#d1d5db"
WIDTH, HEIGHT = 5.0, 3.5
"""Inches; a picture is as wide as half a page."""
POINTS = 72
"""Of an inch: the unit of an SVG file."""
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
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "titleholder",
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
    """An SVG file, the text that replaces it for those who cannot see it, and its caption.

    >>> Picture(b"<svg/>", "Nothing.", "An empty picture.").address
    'data:image/svg+xml;base64,PHN2Zy8+'
    """

    svg: bytes
    alt: str
    caption: str

    @property
    def address(self) -> str:
        """The file as a `data:` address, for the `src` of an `<img>`."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


class ScoredModel(NamedTuple):
    """A model's name and scores, shape (n,), and its colour, line and marker: colour is never the only difference."""

    name: str
    scores: Array
    color: str
    line: Any
    marker: str


def scored_models(evidence: Evidence, verdict: Verdict, version: int) -> list[ScoredModel]:
    """The challenger, and the champion if there is one."""
    both = [ScoredModel(f"challenger, version {version}", evidence.challenger, CHALLENGER, "-", "o")]
    if evidence.champion is not None:
        name = f"champion, version {verdict.champion.version}" if verdict.champion else "champion"
        both.append(ScoredModel(name, evidence.champion, CHAMPION, (0, (4, 1.5)), "s"))
    return both


def picture(
    alt: str, caption: str, draw: Callable[[Figure], None], *, width: float = WIDTH, height: float = HEIGHT
) -> Picture:
    """Draw on a figure of that many inches. Matplotlib is imported with the first one: most commands draw none."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(width, height), dpi=POINTS)
        FigureCanvasSVG(figure)
        draw(figure)
        _arrange(figure)
        figure.savefig(file, format="svg", metadata=_NO_METADATA, dpi=144)
    return Picture(file.getvalue(), alt, caption)


def _arrange(figure: Figure) -> None:
    """Make room for the labels of the axes, and above them for legends of the figure.

    In one pass: constrained layout measures all labels twice, and has the figure drawn once more than needed.
    """
    from matplotlib.layout_engine import TightLayoutEngine

    above = max((legend.get_window_extent().height for legend in figure.legends), default=0.0)
    TightLayoutEngine(pad=0.4, rect=(0, 0, 1, 1 - above / figure.bbox.height)).execute(figure)


def whiskers(
    axes: Axes, positions: ArrayLike, intervals: Sequence[Interval], *, horizontal: bool = False, **style: Any
) -> None:
    """Estimates with their intervals at `positions` on the other axis; a bound that is not finite is left out."""
    values = np.array([i.estimate for i in intervals], dtype=np.float64)
    bounds = np.array([[i.estimate - i.lower, i.upper - i.estimate] for i in intervals], dtype=np.float64)
    lengths = np.clip(np.where(np.isfinite(bounds), bounds, 0.0), 0.0, None).T.reshape(2, -1)
    style = {"fmt": "o", "capsize": 2.5, "elinewidth": 1.2, "capthick": 1.2, **style}
    at = np.asarray(positions, dtype=np.float64)
    if horizontal:
        axes.errorbar(values, at, xerr=lengths, **style)
    else:
        axes.errorbar(at, values, yerr=lengths, **style)


def as_percentages(*axes: Axis) -> None:
    """Write the marks of these axes as `5%`, without trailing zeros."""
    for axis in axes:
        axis.set_major_formatter(lambda share, _: f"{100 * share:.6g}%")


def thin(*curves: Array, most: int = 300) -> list[Array]:
    """At most so many points of a curve, including its ends; the arrays have equal length."""
    n = len(curves[0])
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
    return [curve[kept] for curve in curves]
