"""The pictures and the page that explain a verdict."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from factories import a_spec, a_verdict, result
from matplotlib.figure import Figure

from titleholder import report
from titleholder.training import Fitted

Y = np.array([0.0, 1.0] * 30)
P = np.linspace(0.05, 0.95, 60)


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def drawn(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("classification", ["holdout_roc.png", "holdout_calibration.png"]),
        ("regression", ["holdout_predictions.png"]),
    ],
)
@pytest.mark.parametrize("n", [60, 4], ids=["many", "few"])
def test_figures_of_the_holdout_show_both_models_or_the_one_there_is(task: str, names: list[str], n: int) -> None:
    both = report.holdout_figures(Y[:n], P[:n], P[:n][::-1], task)
    assert list(both) == names
    for figure in both.values():
        assert labels(figure) == ["challenger", "champion"]
        assert drawn(figure).startswith(b"\x89PNG")
    alone = report.holdout_figures(Y[:n], P[:n], None, task)
    assert all(labels(figure) == ["challenger"] for figure in alone.values())


def test_calibration_compares_means_of_ten_equal_bins() -> None:
    figure = report.holdout_figures(Y, P, None, "classification")["holdout_calibration.png"]
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(x, P.reshape(10, 6).mean(axis=1))
    np.testing.assert_allclose(y, 0.5)


def test_the_search_marks_the_chosen_trial() -> None:
    trials: list[dict[str, Any]] = [{"score": s} for s in (0.61, 0.7, 0.65)]
    fitted = Fitted(pipeline=None, params={}, score=0.7, fold_scores=[], trials=trials)  # type: ignore[arg-type]
    figure = report.search_figure(fitted, "roc_auc")
    line, chosen = figure.axes[0].lines
    assert list(line.get_ydata()) == [0.61, 0.7, 0.65]
    assert (list(chosen.get_xdata()), list(chosen.get_ydata())) == ([2], [0.7])
    assert labels(figure) == ["chosen: 0.7000"]
    assert "roc_auc" in figure.axes[0].get_ylabel()


def page(**parts: Any) -> list[str]:
    checks = (
        result("TH101"),
        result("TH201", "fail", explanation="On the holdout: too low."),
        result("TH301", "not_applicable"),
    )
    return report.markdown(a_spec(), a_verdict(*checks, **parts), "challenger version 4").splitlines()


def test_the_page_begins_with_what_and_on_what_evidence() -> None:
    lines = page(note="Only later rows are judged.")
    assert lines[0] == "# small: challenger version 4"
    assert lines[2] == (
        "Judged on 1,234 rows (100 events) from 2023-10-01 to 2024-01-01, against version 3. Only later rows are judged."
    )


def test_the_page_has_every_check_with_its_finding() -> None:
    lines = page()
    for row in (
        "| TH101 TH101 | pass | TH101 said. |",
        "| TH201 TH201 | fail | On the holdout: too low. |",
        "| TH301 TH301 | not applicable | TH301 said. |",
    ):
        assert row in lines


def test_the_page_has_the_numbers_of_both_models_and_their_direction() -> None:
    lines = page()
    assert "| roc_auc | 0.7100 | 0.7000 | more |" in lines
    assert "| brier | 0.1200 | 0.1300 | less |" in lines


def test_the_page_where_nobody_reigns() -> None:
    lines = page(champion=None)
    assert lines[2].endswith("against nobody.")
    assert "| roc_auc | 0.7100 |  | more |" in lines


def test_the_page_where_nothing_was_measured() -> None:
    lines = page(rows=0, events=0, challenger_metrics={}, champion_metrics={}, gain=None)
    assert lines[2].startswith("Judged on 0 rows (0 events)")
    assert sum(line.startswith("| TH") for line in lines) == 3


def test_every_table_row_has_as_many_cells_as_its_head() -> None:
    cells = [line.count("|") for line in page() if line.startswith("|")]
    assert cells == [4] * 5 + [5] * 4
