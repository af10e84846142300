"""What the page says of a monitor's newest look: state, budget, promise, former reigns, drift by feature (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from titleholder.ledger.monitor_history import DriftLook, NewestLook
from titleholder.ledger.monitor_reports import MonitorStatus
from titleholder.spec.types import LIVE
from titleholder.validation.monitoring.report import Alarm, MonitorReport
from titleholder_airflow.page.airflow import Dag, Run
from titleholder_airflow.page.drift_charts import Multiple, multiples
from titleholder_airflow.page.health import HealthSign
from titleholder_airflow.page.promise_chart import PromiseChart, promise_chart
from titleholder_airflow.page.promises import Former, former, promise_sign, review_sign
from titleholder_airflow.page.scores import trouble

PERFORMANCE = "performance"
NAMED = 3
"""Alarms that a sentence names."""
ALARMS = 100
"""Alarms and remarks that are shown."""
NOT_ASKED = "The spec has no section `monitor`, so nothing watches the champion in use."
HOW = "Switch `{dag}` on: it looks at the champion after every scoring run."


class Monitoring(NamedTuple):
    """What the page shows of a lane; where `report` is None, only the state and what the ledger has in columns."""

    state: HealthSign
    look: NewestLook | None = None
    report: MonitorReport | None = None
    alarms: Sequence[Alarm] = ()
    remarks: Sequence[str] = ()
    budget: float | None = None
    """The chance of any false alarm in the whole reign, of drift and of performance together."""
    promise: HealthSign | None = None
    chart: PromiseChart | None = None
    review: HealthSign | None = None
    features: Sequence[Multiple] = ()
    former: Sequence[Former] = ()


def monitoring(
    dag: Dag | None,
    run: Run | None,
    look: NewestLook | None,
    earlier: Sequence[DriftLook],
    champion: int | None,
    lane: str,
    now: datetime,
) -> Monitoring:
    """What the page shows of a lane.

    Args:
        dag: the DAG of the monitor, None where there is none.
        run: its newest automatic run.
        look: the newest one.
        earlier: the looks of the same reign, the oldest first.
        champion: the decision that began the live champion's reign.
        lane: which lane is shown.
        now: the current time.
    """
    signs = trouble(dag, run, now, "monitoring") if lane == LIVE else []
    if look is None:
        none = HealthSign("none", "not watched", HOW.format(dag=dag.dag_id) if dag else NOT_ASKED)
        return Monitoring([*signs, none._replace(href=dag.href) if dag else none][0])
    signs += standing(look, champion if lane == LIVE else look.decision)
    report = look.report
    if report is None:
        return Monitoring(signs[0], look)
    promised = report.promise
    budgets = [part.budget for part in (report.drift, promised) if part is not None]
    return Monitoring(
        signs[0],
        look,
        report,
        report.alarms[:ALARMS],
        report.remarks[:ALARMS],
        sum(budgets) if budgets else None,
        promise_sign(promised) if promised else None,
        promise_chart(promised, report.cohorts) if promised else None,
        review_sign(report.review) if report.review else None,
        multiples(report.drift, earlier, look.spec) if report.drift else (),
        [former(one) for one in reversed(report.former)],
    )


def standing(look: NewestLook | MonitorStatus, champion: int | None) -> list[HealthSign]:
    """What the newest look says of the champion, whose reign began with this decision."""
    if champion is not None and look.decision != champion:
        sentence = f"The newest look was at version {look.version}; the next one is at the champion."
        return [HealthSign("none", "not watched yet", sentence)]
    if look.state == "alarm":
        return [_alarm(look)]
    if look.without_outcomes:
        sentence = f"Outcomes that are final could not be read as of {look.as_of}: the promise is not watched."
        return [HealthSign("warn", "no outcomes to judge", sentence)]
    if look.state == "waiting":
        sentence = f"As of {look.as_of} too little was scored, or is known, to say either."
        return [HealthSign("none", "too little to say", sentence)]
    return [HealthSign("good", "no alarm", f"No alarm stands as of {look.as_of}.")]


def _alarm(look: NewestLook | MonitorStatus) -> HealthSign:
    drifted = [name for name in look.alarms if name != PERFORMANCE]
    shown = ", ".join(drifted[:NAMED]) + (f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else "")
    moved = f"not distributed as the rows that the champion was judged on: {shown}"
    if PERFORMANCE not in look.alarms:
        return HealthSign("warn", "drift alarm", f"What is scored is {moved} (as of {look.as_of}).")
    also = f" What is scored is {moved}." if drifted else ""
    sentence = f"More is missing of what the champion promised than is tolerated (as of {look.as_of}).{also}"
    return HealthSign("bad", "performance alarm", sentence)
