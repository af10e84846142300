"""What people fill in under Trigger: Airflow shows these fields, and refuses what does not fit before a run exists.

A field that may stay empty is nullable: Airflow's user interface demands a value for any other.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from titleholder.errors import TitleholderError, UsageError
from titleholder.settings import need
from titleholder.spec.types import LANE_PATTERN

if TYPE_CHECKING:
    from titleholder.ledger.queries import Reigned
    from titleholder.spec.model import ModelSpec

LOG = logging.getLogger(__name__)
TRAIN = "train_"
"""How the field of a candidate begins."""

Form = dict[str, Param]


def retrain(spec: ModelSpec) -> Form:
    """The form of a retrain DAG; every field may be left as it is."""
    return {
        "as_of": Param(
            None, type=["null", "string"], format="date", title=f"As of ({spec.start_date} to today)",
            description_md="Look at the world from this date (00:00 UTC); nothing known later is used. The schedule "
            f"begins on {spec.start_date}; an earlier date works only where enough outcomes had matured by then. "
            "Empty: the run's own date.",
        ),
        "lane": Param(
            None, type=["null", "string"], pattern=LANE_PATTERN, title="Lane",
            description_md="`live` can move the champion. Any other name, such as `what-if`, has a history of its own "
            "and cannot. Empty: `live`; in a backfill `backtest`, and there `live` is refused.",
            examples=["live", "backtest", "what-if"],
        ),
        "reason": Param(
            None, type=["null", "string"], maxLength=500, title="Reason",
            description_md="Why the run was asked for. Kept with the decision.",
        ),
        **{f"{TRAIN}{name}": _candidate(name, c.estimator) for name, c in spec.training.candidates.items()},
    }  # fmt: skip


def _candidate(name: str, estimator: str) -> Param:
    return Param(True, type="boolean", title=name, description_md=f"`{estimator}`", section="Candidates")


def candidates(spec: ModelSpec, form: Mapping[str, Any]) -> list[str]:
    """The candidates that the form leaves switched on.

    Raises:
        UsageError: none is, or the form has the field of a candidate that the spec does not name.
    """
    fields = {f"{TRAIN}{name}": name for name in spec.training.candidates}
    if unknown := [field for field in form if field.startswith(TRAIN) and field not in fields]:
        raise UsageError(f"{spec.name}: no candidate has the field {', '.join(unknown)}; valid: {', '.join(fields)}")
    if chosen := [name for field, name in fields.items() if form[field]]:
        return chosen
    raise UsageError(f"{spec.name}: no candidate is switched on; leave at least one of {', '.join(fields)} on")


def rollback(reigns: Sequence[Reigned] | None) -> Form:
    """The form of a rollback DAG: a pick list of those who reigned, oldest first, if that is known; else any number."""
    return {
        "reason": Param(
            type="string", minLength=3, maxLength=500, title="Reason",
            description_md="Kept in the ledger, with your name.",
        ),
        "to": Param(
            None, title="To version",
            description_md="A version that was champion before. Empty: the predecessor of the one that reigns.",
            **({"type": ["null", "integer"], "minimum": 1} if reigns is None else _pick_list(reigns)),
        ),
        "leaving": Param(
            None, type=["null", "integer"], minimum=1, title="Only if this version reigns",
            description_md="The run fails and changes nothing if another one has taken over. Empty: whichever reigns.",
        ),
        "force": Param(
            False, type="boolean", title="Force",
            description_md="Also bring back a version that was rolled back itself.",
        ),
    }  # fmt: skip


def _pick_list(reigns: Sequence[Reigned]) -> dict[str, Any]:
    """Those who reigned and do not now, the newest version first, each with its times."""
    versions = sorted({r.version for r in reigns} - {r.version for r in reigns[-1:]}, reverse=True)
    names = {str(version): _name(version, reigns) for version in versions}
    return {
        "type": ["null", "integer"],
        "enum": [None, *versions],
        "values_display": {"null": "the predecessor", **names},
    }


def _name(version: int, reigns: Sequence[Reigned]) -> str:
    """Such as `version 4: 2026-01-01 to 2026-03-01 (rolled back), as of 2025-12-01`."""
    turns = [(r, then) for r, then in itertools.pairwise(reigns) if r.version == version]
    times = [
        f"{r.reigned_from:%Y-%m-%d} to {r.reigned_to:%Y-%m-%d}{' (rolled back)' if then.kind == 'rollback' else ''}"
        for r, then in turns
    ]
    return f"version {version}: {', '.join(times)}, as of {turns[0][0].as_of}"


def reigns(models: Iterable[str]) -> Mapping[str, Sequence[Reigned]] | None:
    """Who reigned live, by model, in one question to the ledger. None, and a warning, where it does not answer."""
    try:
        url = need("TITLEHOLDER_LEDGER_URL")
        from titleholder.ledger import queries  # only now: it brings SQLAlchemy

        return queries.reigns_of(url, models)
    except Exception as error:  # whatever is wrong with the ledger, there must be a form
        LOG.warning("No pick list of versions in the rollback forms, any number goes: %s", _said(error))
        return None


def _said(error: Exception) -> str:
    """An error in words that hold no address."""
    return str(error) if isinstance(error, TitleholderError) else type(error).__name__
