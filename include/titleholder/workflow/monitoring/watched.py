"""The reign that scored last in a lane: its scoring runs, its decisions, and what earlier looks said."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from titleholder.ledger import monitor_reports, reigns, score_runs, store
from titleholder.ledger.decision import Decision
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.ledger.monitor_reports import MonitorRecord, PastLook
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.validation.metrics import Interval
from titleholder.validation.monitoring.look import History
from titleholder.validation.monitoring.report import Drift
from titleholder.workflow.trained_versions import TrainedVersion, trained_versions


class Reign(NamedTuple):
    """A reign: its scoring runs, the decision that made the version champion, the one about it as a challenger, and
    both versions as they were trained."""

    runs: list[ScoreRun]
    crowning: Decision
    judged: Decision
    trained: TrainedVersion
    predecessor: TrainedVersion | None


class Watched(NamedTuple):
    """The reign that scored last in a lane until a day: its runs until then, its decisions, and its earlier looks.

    `crowning` made the version champion, `judged` is about it as a challenger. `before` is the newest of the earlier
    looks, `first` the drift of the first one that counted rows; of the others there is only what later ones need.
    `former_runs` are those of other reigns of the lane.
    """

    rows: list[LaneEntry]
    runs: list[ScoreRun]
    crowning: Decision
    judged: Decision
    trained: TrainedVersion
    predecessor: TrainedVersion | None
    looks: list[PastLook]
    before: MonitorRecord | None
    first: Drift | None
    last: int | None
    former_runs: list[ScoreRun]

    @property
    def reign(self) -> Reign:
        """It without its looks."""
        return Reign(self.runs, self.crowning, self.judged, self.trained, self.predecessor)

    @property
    def new_runs(self) -> list[ScoreRun]:
        """The scoring runs that no look has counted."""
        counted = {run for one in self.looks for run in one.score_runs}
        return [run for run in self.runs if run.id not in counted]

    @property
    def counted_last(self) -> list[ScoreRun]:
        """The scoring runs that the newest look with new rows counted."""
        last = next((one.score_runs for one in reversed(self.looks) if one.counted_until), ())
        return [run for run in self.runs if run.id in last]

    @property
    def history(self) -> History:
        """What the looks that counted rows found."""
        counted = [one for one in self.looks if one.cells]
        newest = self.before.report.drift if self.before else None
        return History([one.cells for one in counted], [one.log_evidence for one in counted], newest)

    @property
    def covered(self) -> date | None:
        """The end of the event times that were counted."""
        return max((one.counted_until for one in self.looks if one.counted_until), default=None)


def watched_at(model: str, lane: str, as_of: date, settings: Settings) -> Watched | None:
    """The reign that scored last in a lane until this day; None where nothing was scored."""
    url = settings.ledger_url
    own = [r for r in score_runs.of_model(url, model) if r.lane == lane and r.role == "champion" and r.as_of <= as_of]
    if not own:
        return None
    newest = max(own, key=lambda r: (r.as_of, r.id))
    last = monitor_reports.last(url, model, lane)  # before the looks are read: a later one is noticed when writing
    rows = store.read_lane(url, model, lane)
    reign = reign_of(rows, [r for r in own if r.decision == newest.decision], url)
    looks = monitor_reports.past(url, model, lane, newest.decision)
    first = next((one.id for one in looks if one.cells), None)
    return Watched(
        rows=rows,
        runs=reign.runs,
        crowning=reign.crowning,
        judged=reign.judged,
        trained=reign.trained,
        predecessor=reign.predecessor,
        looks=looks,
        before=monitor_reports.numbered(url, looks[-1].id) if looks else None,
        first=monitor_reports.numbered(url, first).report.drift if first is not None else None,
        last=last,
        former_runs=[r for r in own if r.decision != newest.decision],
    )


def reign_of(rows: list[LaneEntry], runs: list[ScoreRun], url: str) -> Reign:
    """The reign that these runs are of; `rows` are the lane's."""
    newest = max(runs, key=lambda r: (r.as_of, r.id))
    crowning = store.decision(url, newest.decision)
    about = reigns.decision_on(rows, newest.version)
    judged = store.decision(url, about.id if about else newest.decision)
    (trained,) = trained_versions([judged], url)
    before = reigns.decision_on(rows, crowning.champion_before)
    predecessor = trained_versions([before], url)[0].registered if before else None
    return Reign(runs, crowning, judged, trained, predecessor)


def promised_metric(crowning: Decision, judged: Decision) -> tuple[int, Interval | None]:
    """The champion's metric with its interval, and the decision that measured it: that of a recall, else its own."""
    recall = crowning.verdict.recall if crowning.verdict and crowning.kind == "recall" else None
    if recall and recall.interval_here:
        return crowning.id, recall.interval_here
    return judged.id, judged.verdict.challenger_interval if judged.verdict else None


def promised_gain(crowning: Decision) -> Interval | None:
    """The gain over the predecessor that the deciding run measured; None where it measured none, as in a rollback."""
    if crowning.verdict is None:
        return None
    recall = crowning.verdict.recall if crowning.kind == "recall" else None
    found = recall.gain_here if recall else crowning.verdict.gain
    return found if found is not None and found.finite else None
