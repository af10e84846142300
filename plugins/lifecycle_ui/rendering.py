"""Templates and what they write with."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lifecycle_ui import addresses, charts, evidence
from titleholder import formats

DID = {
    "promote": "challenger promoted",
    "keep": "challenger not promoted",
    "reject": "challenger rejected",
    "rollback": "rolled back",
    "retire": "retirement advised",
}


def page(request: Request, template: str, *, status: int = 200, **what: Any) -> HTMLResponse:
    """A template with addresses that hold wherever Airflow is mounted."""
    root = request.scope.get("root_path", "").rstrip("/")
    text = _environment.get_template(f"{template}.html.j2").render(
        root=root, airflow=root.removesuffix(addresses.PAGE), **what
    )
    return HTMLResponse(text, status_code=status)


def _day(moment: date | datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else formats.NOTHING


def _part(value: Any) -> str:
    """A piece of an address."""
    return quote(str(value), safe="")


def _prose(text: str) -> Markup:
    """What stands between backticks is code, as in the sentences that people also read in a terminal."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "day": _day,
    "part": _part,
    "prose": _prose,
    "stamp": formats.stamp,
    "number": formats.number,
    "signed": formats.signed,
    "count": formats.count,
    "exact": formats.exact,
    "confidence": formats.confidence,
    "between": formats.between,
    "metric": formats.metric,
}
_environment.globals |= {
    "DID": DID,
    "chart": charts,
    "outcome": formats.outcome,
    "run_address": evidence.run_address,
    "version_address": evidence.version_address,
}
