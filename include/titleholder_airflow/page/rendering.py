"""Templates, their filters and their names for things."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from titleholder import formatting
from titleholder.plain_text import shown
from titleholder.spec.rule import docs_url
from titleholder.validation.monitoring.report import ASSUMPTION
from titleholder_airflow import urls
from titleholder_airflow.page import ageing, axes, drift_charts, mlflow, promise_chart, promises, scores

OUTCOMES = {
    "promote": "challenger promoted",
    "keep": "challenger not promoted",
    "reject": "challenger rejected",
    "recall": "earlier version recalled",
    "rollback": "rolled back",
    "decline": "rollback declined",
    "retire": "retirement advised",
    "withdraw": "model retired",
}


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A rendered template; its links are right wherever Airflow is mounted."""
    root = request.scope.get("root_path", "").rstrip("/")
    text = _environment.get_template(f"{template}.html.j2").render(
        root=root, airflow=root.removesuffix(urls.PAGE), **values
    )
    return HTMLResponse(text, status_code=status)


def _day(moment: date | datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else formatting.NOTHING


def _part(value: Any) -> str:
    """A value as one part of a path."""
    return quote(str(value), safe="")


def _prose(text: str) -> Markup:
    """Text with what is between backticks as code; such sentences are also shown in a terminal."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _docs_url(code: str, title: str) -> str:
    """A check's section in the documentation; empty where `TITLEHOLDER_DOCS_URL`, the address of docs/, is not set."""
    docs = os.environ.get("TITLEHOLDER_DOCS_URL", "").rstrip("/")
    return f"{docs}/{docs_url(code, title).removeprefix('docs/')}" if docs else ""


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=shown,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "day": _day,
    "part": _part,
    "prose": _prose,
    "stamp": formatting.stamp,
    "number": formatting.number,
    "signed": formatting.signed,
    "count": formatting.count,
    "percent": formatting.percent,
    "probability": formatting.probability,
    "exact": formatting.exact,
    "confidence": formatting.confidence,
    "between": formatting.between,
    "metric": formatting.metric,
}
_environment.globals |= {
    "OUTCOMES": OUTCOMES,
    "chart": axes,
    "score_chart": scores,
    "age_chart": ageing,
    "drift_chart": drift_charts,
    "promise_chart": promise_chart,
    "promises": promises,
    "ASSUMPTION": ASSUMPTION,
    "outcome": formatting.outcome,
    "docs_url": _docs_url,
    "run_url": mlflow.run_url,
    "version_url": mlflow.version_url,
}
