"""The picture of a search."""

from __future__ import annotations

import re
from typing import Any

from titleholder import reports
from titleholder.training.search import Fitted


def test_the_search_marks_the_chosen_trial() -> None:
    trials: list[dict[str, Any]] = [{"score": s} for s in (0.61, 0.7, 0.65)]
    fitted = Fitted(pipeline=None, params={}, metric="log_loss", score=0.7, fold_scores=[], trials=trials)  # type: ignore[arg-type]
    picture = reports.search_picture(fitted)
    assert picture.alt == "Trial 2 of 3 was chosen."
    assert {"chosen: 0.7000", "Log loss, mean of time-ordered folds"} <= set(
        re.findall(">([^<]+)</text>", picture.svg.decode())
    )
