"""Templates to HTML: every value is escaped, and a missing one is an error."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jinja2

from titleholder import formatting
from titleholder.plain_text import shown

PACKAGE = "titleholder.reports"
FILTERS = {
    name: getattr(formatting, name)
    for name in (
        "between",
        "confidence",
        "count",
        "evidence",
        "exact",
        "metric",
        "number",
        "percent",
        "probability",
        "signed",
        "date_range",
    )
}


def render(template: str, *, package: str = PACKAGE, **content: Any) -> str:
    """A template of a package with these values; it may include templates of this package."""
    return _environment(package).get_template(template).render(content)


def compile_templates() -> None:
    """Compile the templates of this package, as a process does that forks others: they need not do it again."""
    environment = _environment(PACKAGE)
    for name in environment.list_templates(extensions=["j2"]):
        environment.get_template(name)


@lru_cache
def _environment(package: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]),
        autoescape=True,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= FILTERS
    return environment
