"""Templates to HTML: everything that is filled in is escaped, and what is not given is an error."""

from __future__ import annotations

from typing import Any

import jinja2

from titleholder import formats

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("titleholder.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters |= {
    name: getattr(formats, name)
    for name in (
        "between",
        "confidence",
        "count",
        "evidence",
        "exact",
        "metric",
        "number",
        "percent",
        "signed",
        "stretch",
    )
}


def render(template: str, **content: Any) -> str:
    """A template of this package, filled in."""
    return _TEMPLATES.get_template(template).render(content)
