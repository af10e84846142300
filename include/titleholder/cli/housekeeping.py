"""The commands that keep a ledger tidy: `lanes`."""

from __future__ import annotations

from titleholder.cli.console import AsJson, Model, err, print_json, print_table
from titleholder.errors import UsageError


def lanes(model: Model, as_json: AsJson = False) -> None:
    """List a model's lanes: live first, then the one written to last."""
    from titleholder.ledger import queries
    from titleholder.settings import Settings

    require_model(model)
    found = queries.lanes(Settings.from_environment().ledger_url, model)
    if as_json:
        print_json([lane._asdict() for lane in found])
        return
    if not found:
        err.print(f"{model} has no decisions in any lane.")
    rows = [
        {
            "lane": lane.lane,
            "decisions": lane.decisions,
            "versions": lane.versions,
            "first as of": lane.first,
            "last as of": lane.last,
            "last written": f"{lane.written:%Y-%m-%d %H:%M}",
        }
        for lane in found
    ]
    print_table(f"{model}: lanes", rows)


def require_model(model: str) -> None:
    """Raise a UsageError for a name that has neither a spec nor decisions: a deleted spec does not hide its history."""
    from titleholder.ledger import store
    from titleholder.settings import Settings
    from titleholder.spec.loader import require_known

    try:
        require_known(model)
    except UsageError:
        if model not in store.models(Settings.from_environment().ledger_url):
            raise
