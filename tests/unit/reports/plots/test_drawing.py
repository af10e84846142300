"""Pictures: equal bytes for equal input, whiskers, thinned curves."""

from __future__ import annotations

import base64
import math

import numpy as np
from matplotlib.figure import Figure

from titleholder.reports.plots.drawing import picture, thin, whiskers
from titleholder.validation.metrics import Interval


def test_endless_bounds_have_no_whisker() -> None:
    def draw(figure: object) -> None:
        axes = figure.add_subplot()  # type: ignore[attr-defined]
        whiskers(axes, [0, 1], [Interval(1.0, -math.inf, math.inf), Interval(2.0, 1.5, 2.5)])
        ends = axes.collections[0].get_segments()
        np.testing.assert_allclose([[p[1] for p in segment] for segment in ends], [[1, 1], [1.5, 2.5]])

    picture("", "", draw)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    x, y = thin(np.arange(5000.0), np.arange(5000.0) ** 2)
    assert len(x) == 300
    assert (x[0], x[-1]) == (0, 4999)
    np.testing.assert_array_equal(y, x**2)
    assert len(thin(np.arange(7.0))[0]) == 7


def draw_line(figure: Figure) -> None:
    axes = figure.add_subplot()
    axes.plot([0.123456, 1], [0, 1], "o", label="a <b> $c$ & 0.123456")
    axes.legend()


def test_equal_input_gives_equal_bytes_without_a_date() -> None:
    first, again = (picture("a line", "caption", draw_line) for _ in range(2))
    assert first == again
    assert b"<dc:date>" not in first.svg


def test_labels_are_text_and_stay_as_they_are() -> None:
    assert b"a &lt;b&gt; $c$ &amp; 0.123456" in picture("", "", draw_line).svg


def test_a_picture_is_addressed_by_its_bytes() -> None:
    drawn = picture("", "", draw_line)
    scheme, _, data = drawn.address.partition(",")
    assert scheme == "data:image/svg+xml;base64"
    assert base64.b64decode(data) == drawn.svg
