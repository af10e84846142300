"""The page Champions: each model's champion, since when, and why. Read only: changes go through Airflow's own forms.

Lists come from the ledger, runs and approvals from Airflow's database, aliases and reports from MLflow. Whoever may not
read a model's DAG gets the same answer as for a model that does not exist.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import TemplateError
from starlette.exceptions import HTTPException as AnyHTTPException

from titleholder.errors import ServiceError
from titleholder.ledger import monitor_reports, reports, score_history
from titleholder.ledger import queries as ledger
from titleholder.ledger.queries import DecisionRecord
from titleholder.registry import names
from titleholder.settings import need
from titleholder.spec.cadence import cadence
from titleholder.spec.types import BACKTEST, LANE_PATTERN, LIVE
from titleholder_airflow.page import charts, facts, health, mlflow, queries
from titleholder_airflow.page.airflow import SCORE, Model
from titleholder_airflow.page.rendering import page

LOG = logging.getLogger(__name__)
OWN = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
POLICY = f"{OWN}; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'"
"""What the page may load: its own script, style, pictures and frames, and nothing inline."""
REPORT_POLICY = f"{OWN}; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
"""A report is a file of MLflow's: it is shown without scripts, as if from another origin."""
LEDGER_DOWN = (
    "Its PostgreSQL does not answer, or not in time; the log of Airflow's API server says more. On a local stack "
    "`make up` starts it. Nothing is lost, and every champion stays. Then reload this page."
)
CARD_ABSENT = "The task `report` of the run draws it, after the decision stands; where that task failed, clear it."
CHANGED = "Not shown: this file in MLflow is not what was written"
CHANGED_ADVICE = (
    "Its SHA-256 is not in the ledger: somebody changed it there. Everything else on this page comes from the ledger. "
    "Restore the file from a backup of MLflow's artifacts."
)
UNREADABLE = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a template raises on the documents of a row that another program has appended: the database takes any."""
UNREADABLE_ADVICE = (
    "Its row in the ledger is not of the form that this version of Titleholder writes. The database's column "
    "`written_by` has the role that appended it, and the log of Airflow's API server says what is wrong with it."
)
KINDS = ("promote", "keep", "reject", "recall", "rollback", "decline", "retire", "withdraw")
ADVICE = {
    401: ("You are not logged in", "Log in to Airflow, then open this page again."),
    403: ("Not allowed", "Your login is not accepted here. Log in to Airflow again."),
    404: ("Not found", "There is no such page, or you may not see it. Who may read a model's DAG sees its page."),
}

app = FastAPI(title="Titleholder", docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


@app.middleware("http")
async def add_headers(request: Request, call_next: Any) -> Response:
    """Headers against caching, sniffing and leaking; the policy of the page unless the route has set its own."""
    answer: Response = await call_next(request)
    answer.headers.setdefault("Content-Security-Policy", POLICY)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "no-cache" if "/static/" in request.url.path else "no-store"
    return answer


@app.exception_handler(AnyHTTPException)
async def show_error(request: Request, error: AnyHTTPException) -> HTMLResponse:
    """A page that says what went wrong and what to do."""
    title, advice = ADVICE.get(error.status_code, (f"Error {error.status_code}", str(error.detail)))
    return page(request, "error", status=error.status_code, title=title, advice=advice)


@app.exception_handler(RequestValidationError)
async def show_invalid(request: Request, _: RequestValidationError) -> HTMLResponse:
    """An invalid path or query gives 404."""
    return page(request, "error", status=404, title=ADVICE[404][0], advice=ADVICE[404][1])


@app.exception_handler(ServiceError)
async def show_ledger_down(request: Request, error: ServiceError) -> HTMLResponse:
    """The ledger cannot be read: the page says what to do."""
    LOG.error("The page Champions cannot be shown: %s", error)
    return page(request, "error", status=503, title="The ledger cannot be read", advice=LEDGER_DOWN)


@app.get("/")
def overview(request: Request, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """Every model that the user may see, one row each."""
    models = queries.models(user, session)
    asked = facts.ask_airflow(models.values(), session)
    live_status = ledger.live_status(_ledger(), models) if models else {}
    scored = score_history.newest_by_model(_ledger(), models) if models else {}
    watched = monitor_reports.standing(_ledger(), models, LIVE) if models else {}
    aliases, now = _aliases(live_status), datetime.now(UTC)
    rows = [
        {
            "model": model,
            "standing": standing,
            "age": _age(standing),
            "state": health.state(facts.findings(model, standing, asked, watched.get(model.name), aliases, now)),
            "scored": scored.get(model.name),
            "scoring": f"{model.name}{SCORE}" in asked.others,
        }
        for model, standing in ((model, live_status[name]) for name, model in models.items())
    ]
    return page(request, "overview", rows=sorted(rows, key=lambda row: health.URGENCY.index(row["state"].tone)))


@app.get("/models/{name}")
def model(
    request: Request,
    name: str,
    user: GetUserDep,
    session: SessionDep,
    lane: str = LIVE,
    kind: Annotated[list[str] | None, Query()] = None,
    text: str = "",
    replaced: bool = False,
) -> HTMLResponse:
    """One model: its line of succession, its metric by period, and its decisions, filtered."""
    found = _visible(name, user, session)
    lanes = ledger.lanes(_ledger(), name)
    if lane != LIVE and lane not in [known.lane for known in lanes]:
        raise HTTPException(404)
    rows, reigns = ledger.decisions(_ledger(), name, lane), ledger.reigns(_ledger(), name, lane)
    standing, tested = ledger.live_status(_ledger(), [name])[name], facts.tested_lane(_ledger(), name, lane)
    asked = facts.ask_airflow([found], session)
    aliases, now = _aliases({name: standing}), datetime.now(UTC)
    watched = monitor_reports.standing(_ledger(), [name], LIVE).get(name)
    signs = facts.findings(found, standing, asked, watched, aliases, now)
    in_force = sorted((row for row in rows if row.in_force), key=lambda row: (row.as_of, row.sequence))
    filters = {"kind": [k for k in kind or () if k in KINDS], "text": text.strip()[:200], "replaced": replaced}
    return page(
        request,
        "model",
        model=found,
        standing=standing,
        age=_age(standing),
        state=health.state(signs),
        findings=signs,
        approvals=asked.approvals,
        lane=lane,
        lanes=[known for known in lanes if not known.state or known.lane == lane],
        reigns=reigns,
        line=charts.succession(reigns, in_force, lane, now),
        metric=charts.metric(in_force),
        monitoring=facts.monitoring_of(_ledger(), found, standing, asked, lane, now),
        scores=facts.scores_of(_ledger(), found, standing, asked, lane, now),
        age_cost=facts.age_cost(_ledger(), name, tested),
        tested=tested,
        period=cadence(rows[-1].schedule if rows else None),
        decisions=[row for row in reversed(rows) if _passes(row, filters)],
        total=len(rows if replaced else in_force),
        filters=filters,
        kinds=KINDS,
    )


@app.get("/decisions/{number}")
def decision(request: Request, number: int, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """One decision: what was decided, why, every check, and its lineage."""
    row, found = _decision(number, user, session)
    session.close()
    before, after = ledger.neighbours(_ledger(), row["model"], row["lane"], row["sequence"])
    try:
        return page(request, "decision", row=row, verdict=row["verdict"], model=found, before=before, after=after)
    except UNREADABLE:
        LOG.exception("Decision %d cannot be shown: its row is not of the form that this version writes", number)
        return page(request, "error", status=409, title="This decision cannot be shown", advice=UNREADABLE_ADVICE)


@app.get("/decisions/{number}/card")
def card(request: Request, number: int, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """The model card of a decision, an artifact of its MLflow run."""
    row, _ = _decision(number, user, session)
    session.close()
    if not row["mlflow_run_id"]:
        raise HTTPException(404)
    known = reports.of_decision(_ledger(), number)
    return _report(request, known, "No model card of this decision yet", CARD_ABSENT)


@app.get("/models/{name}/backtest")
def backtest(request: Request, name: str, user: GetUserDep, session: SessionDep, lane: str) -> HTMLResponse:
    """The report of the newest backtest of a lane, an artifact of its MLflow run."""
    _visible(name, user, session)
    if not re.fullmatch(LANE_PATTERN, lane):
        raise HTTPException(404)
    session.close()
    known = reports.newest_backtest(_ledger(), name, lane, names.BACKTEST_REPORT)
    return _report(request, known, "No backtest of this lane yet", _how_to_backtest(name, lane))


def _how_to_backtest(name: str, lane: str) -> str:
    command = f"titleholder backtest {name}{'' if lane == BACKTEST else f' --lane {lane}'}"
    return f"After a backfill, `{command}` answers whether retraining was worth it, in one sentence and one report."


def _report(request: Request, known: reports.Report | None, absent: str, advice: str) -> HTMLResponse:
    """A report from MLflow as the content of a frame, where it is what was written; else why it is not there."""
    if known is None:
        return page(request, "part", title=absent, advice=advice)
    try:
        content = mlflow.artifact(known.run_id, known.file)
    except mlflow.UnavailableError as error:
        advice = "Everything else on this page comes from the ledger. See that MLflow is up, then reload."
        return page(request, "part", status=502, title=str(error), advice=advice)
    if hashlib.sha256(content).hexdigest() not in known.sha256:
        LOG.error(
            "%s of MLflow run %s is not what was written: its SHA-256 is not in the ledger", known.file, known.run_id
        )
        return page(request, "part", status=409, title=CHANGED, advice=CHANGED_ADVICE, run_id=known.run_id)
    return HTMLResponse(content, headers={"Content-Security-Policy": REPORT_POLICY})


def _aliases(live_status: Mapping[str, ledger.LiveStatus]) -> mlflow.Aliases:
    """The versions of the aliases. A kept answer may be older than the ledger, so a difference is read once more."""
    known = mlflow.aliases()
    if any(health.differs(model, standing, known) for model, standing in live_status.items()):
        return mlflow.aliases(mlflow.FRESH)
    return known


def _visible(name: str, user: Any, session: Any) -> Model:
    """The model. HTTPException 404 where there is none, or the user may not see it."""
    found = queries.models(user, session).get(name)
    if found is None:
        raise HTTPException(404)
    return found


def _decision(number: int, user: Any, session: Any) -> tuple[Mapping[str, Any], Model]:
    models = queries.models(user, session)
    row = ledger.decision(_ledger(), number, models) if models and 0 < number < 2**63 else None
    if row is None:
        raise HTTPException(404)
    return row, models[row["model"]]


def _passes(row: DecisionRecord, filters: Mapping[str, Any]) -> bool:
    """Whether a row passes the table's filters."""
    text = f"{row.reason} {row.asked_because} {row.actor} {row.approved_by or ''} {row.as_of}".casefold()
    kinds = filters["kind"] or KINDS
    return row.kind in kinds and filters["text"].casefold() in text and (row.in_force or filters["replaced"])


def _age(standing: ledger.LiveStatus) -> str:
    """How long ago the champion's as-of date was, in periods of its model; empty without a champion."""
    if standing.champion is None or standing.last is None:
        return ""
    return cadence(standing.last.schedule).age(standing.champion.as_of, datetime.now(UTC).date())


def _ledger() -> str:
    return need("TITLEHOLDER_LEDGER_URL")
