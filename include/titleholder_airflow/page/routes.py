"""The page "Champions": who reigns, since when, and why. Read only: every change goes through Airflow's own forms.

Lists come from the ledger, runs and questions from Airflow's database; MLflow is asked for the alias, briefly, and for
what hangs on its runs. Whoever may not read a model's DAG gets the same answer as for a model that is not there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from titleholder.errors import ServiceError
from titleholder.ledger import queries as ledger
from titleholder.ledger.queries import Decided
from titleholder.settings import need
from titleholder.spec.types import LANE_PATTERN, LIVE
from titleholder_airflow.page import charts, health, mlflow, queries
from titleholder_airflow.page.facts import Model, Question
from titleholder_airflow.page.rendering import page

LOG = logging.getLogger(__name__)
OWN = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
POLICY = f"{OWN}; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'"
"""What a page of ours may load: its own script, style, pictures and frames, and nothing inline."""
CARDS_POLICY = f"{OWN}; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
"""A card comes from MLflow: it is shown, but runs nothing and is not of our origin."""
AWAY = (
    "Its PostgreSQL does not answer, or not in time; the log of Airflow's API server says more. On a local stack "
    "`make up` starts it. Nothing is lost, and whoever reigns keeps reigning. Then reload this page."
)
KINDS = ("promote", "keep", "reject", "rollback", "retire")
ADVICE = {
    401: ("You are not logged in", "Log in to Airflow, then open this page again."),
    403: ("Not allowed", "Your login is not accepted here. Log in to Airflow again."),
    404: ("Nothing here", "There is no such page, or you may not see it. Who may read a model's DAG sees its page."),
}

app = FastAPI(title="Titleholder", docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


@app.middleware("http")
async def guarded(request: Request, call_next: Any) -> Response:
    """Nothing is cached, sniffed or told to others; what a page may load is said unless the route has said it."""
    answer: Response = await call_next(request)
    answer.headers.setdefault("Content-Security-Policy", POLICY)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "no-cache" if "/static/" in request.url.path else "no-store"
    return answer


@app.exception_handler(AnyHTTPException)
async def refused(request: Request, error: AnyHTTPException) -> HTMLResponse:
    """What went wrong, and what to do."""
    title, advice = ADVICE.get(error.status_code, (f"Error {error.status_code}", str(error.detail)))
    return page(request, "trouble", status=error.status_code, title=title, advice=advice)


@app.exception_handler(RequestValidationError)
async def unreadable(request: Request, _: RequestValidationError) -> HTMLResponse:
    """An address that makes no sense leads nowhere."""
    return page(request, "trouble", status=404, title=ADVICE[404][0], advice=ADVICE[404][1])


@app.exception_handler(ServiceError)
async def away(request: Request, error: ServiceError) -> HTMLResponse:
    """The ledger is away: the page has nothing to tell, and says what to do."""
    LOG.error("Champions cannot be shown: %s", error)
    return page(request, "trouble", status=503, title="The ledger cannot be read", advice=AWAY)


@app.get("/")
def overview(request: Request, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """Every model that the user may see, in a line each."""
    models = queries.models(user, session)
    dags = [model.dag_id for model in models.values()]
    standings = ledger.standings(_ledger(), models) if models else {}
    asked, runs = queries.questions(dags, session), queries.newest_runs(dags, session)
    session.close()  # MLflow may take its time: nobody's connection waits for it
    aliases, now = _aliases(standings), datetime.now(UTC)
    lines = [
        {
            "model": model,
            "standing": standing,
            "age": _age(standing),
            "findings": health.findings(model, standing, _of(model, asked), runs.get(model.dag_id), aliases, now),
        }
        for model, standing in ((model, standings[name]) for name, model in models.items())
    ]
    return page(request, "overview", lines=lines)


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
    """One model: its line of succession, its metric by month, and its decisions, filtered."""
    found = _visible(name, user, session)
    lanes = ledger.lanes(_ledger(), name)
    if lane != LIVE and lane not in [known.lane for known in lanes]:
        raise HTTPException(404)
    rows, reigns = ledger.decisions(_ledger(), name, lane), ledger.reigns(_ledger(), name, lane)
    standing = ledger.standings(_ledger(), [name])[name]
    asked, runs = queries.questions([found.dag_id], session), queries.newest_runs([found.dag_id], session)
    session.close()
    now = datetime.now(UTC)
    in_force = sorted((row for row in rows if row.stands), key=lambda row: (row.as_of, row.sequence))
    wanted = {"kind": [k for k in kind or () if k in KINDS], "text": text.strip()[:200], "replaced": replaced}
    return page(
        request,
        "model",
        model=found,
        standing=standing,
        age=_age(standing),
        findings=health.findings(found, standing, asked, runs.get(found.dag_id), _aliases({name: standing}), now),
        asked=asked,
        lane=lane,
        lanes=lanes,
        reigns=reigns,
        line=charts.succession(reigns, in_force, lane, now),
        metric=charts.metric(in_force),
        decisions=[row for row in reversed(rows) if _asked_for(row, wanted)],
        of=len(rows if replaced else in_force),
        wanted=wanted,
        kinds=KINDS,
    )


@app.get("/decisions/{number}")
def decision(request: Request, number: int, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """One decision: what, why, every check, and where everything comes from."""
    row, found = _decision(number, user, session)
    session.close()
    before, after = ledger.neighbours(_ledger(), row["model"], row["lane"], row["sequence"])
    return page(request, "decision", row=row, verdict=row["verdict"], model=found, before=before, after=after)


@app.get("/decisions/{number}/card")
def card(request: Request, number: int, user: GetUserDep, session: SessionDep) -> HTMLResponse:
    """The model card of a decision, as it hangs on its MLflow run."""
    row, _ = _decision(number, user, session)
    session.close()
    if not row["mlflow_run_id"]:
        raise HTTPException(404)
    try:
        content = mlflow.artifact(row["mlflow_run_id"], "card.html")
    except mlflow.UnreachableError as error:
        return _without(request, str(error), "Numbers and checks on this page come from the ledger.")
    return HTMLResponse(content, headers={"Content-Security-Policy": CARDS_POLICY})


@app.get("/models/{name}/backtest")
def backtest(request: Request, name: str, user: GetUserDep, session: SessionDep, lane: str) -> HTMLResponse:
    """The newest backtest of a lane, as a part of the model's page."""
    _visible(name, user, session)
    if not re.fullmatch(LANE_PATTERN, lane):
        raise HTTPException(404)
    session.close()
    try:
        told = mlflow.newest_backtest(name, lane)
        months = _months(told) if told else []
    except mlflow.UnreachableError as error:
        return _without(request, str(error), "Backtests are kept in MLflow; everything else on this page is complete.")
    return page(request, "backtest", told=told, name=name, lane=lane, months=months, walk=charts.walk(months))


def _months(told: mlflow.Backtest) -> list[charts.Month]:
    """The months of a backtest in which anything was measured."""
    try:
        months = [
            charts.Month(
                date.fromisoformat(m["month"]["as_of"]),
                {policy: figure["metric"] for policy, figure in m["figures"].items()},
                m["month"]["gate"],
            )
            for m in told.months
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise mlflow.UnreachableError("What MLflow keeps as backtest.json is none") from error
    return [month for month in months if month.figures]


def _aliases(standings: Mapping[str, ledger.Standing]) -> mlflow.Aliases:
    """Where the aliases point. What is kept may be older than the ledger, so that trouble is looked at once more."""
    known = mlflow.aliases()
    if any(health.differs(model, standing, known) for model, standing in standings.items()):
        return mlflow.aliases(mlflow.FRESH)
    return known


def _without(request: Request, trouble: str, comfort: str) -> HTMLResponse:
    """A part of a page that MLflow would have filled."""
    return page(request, "part", status=502, title=trouble, advice=f"{comfort} See that MLflow is up, then reload.")


def _visible(name: str, user: Any, session: Any) -> Model:
    """The model, where this user may see it. HTTPException 404 where not, or where there is none."""
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


def _asked_for(row: Decided, wanted: Mapping[str, Any]) -> bool:
    """Whether a row passes the filter of the table."""
    said = f"{row.reason} {row.asked_because} {row.actor} {row.approved_by or ''} {row.as_of}".casefold()
    kinds = wanted["kind"] or KINDS
    return row.kind in kinds and wanted["text"].casefold() in said and (row.stands or wanted["replaced"])


def _of(model: Model, asked: list[Question]) -> list[Question]:
    return [question for question in asked if question.dag_id == model.dag_id]


def _age(standing: ledger.Standing) -> int | None:
    return health.age(standing.champion.as_of, datetime.now(UTC).date()) if standing.champion else None


def _ledger() -> str:
    return need("TITLEHOLDER_LEDGER_URL")
