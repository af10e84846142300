"""The picture of a search."""

from __future__ import annotations

from typing import Any

from titleholder import reports
from titleholder.training.search import Fitted


def test_the_search_marks_the_chosen_trial() -> None:
    trials: list[dict[str, Any]] = [{"score": s} for s in (0.61, 0.7, 0.65)]
    fitted = Fitted(pipeline=None, params={}, metric="log_loss", score=0.7, fold_scores=[], trials=trials)  # type: ignore[arg-type]
    figure = reports.search_figure(fitted)
    line, chosen = figure.axes[0].lines
    assert list(line.get_ydata()) == [0.61, 0.7, 0.65]
    assert (list(chosen.get_xdata()), list(chosen.get_ydata())) == ([2], [0.7])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["chosen: 0.7000"]
    assert "Log loss" in figure.axes[0].get_ylabel()
