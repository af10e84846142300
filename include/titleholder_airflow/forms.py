"""The forms under Trigger: Airflow shows these fields and refuses invalid values before a run exists.

A field that may stay empty is nullable: Airflow's user interface requires a value in any other.
"""

from __future__ import annotations

import difflib
import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from titleholder.errors import TitleholderError, UsageError
from titleholder.plain_text import TYPED
from titleholder.settings import need
from titleholder.spec.types import BACKTEST, LANE_PATTERN, LIVE, WHAT_IF

if TYPE_CHECKING:
    from titleholder.ledger.queries import ReignRecord
    from titleholder.spec.model import ModelSpec

LOG = logging.getLogger(__name__)
TRAIN = "train_"
"""The prefix of a candidate's field."""
OPENLINEAGE = "openlineage"
"""A key that Airflow's own operators add to the values of a run that they trigger."""

Form = dict[str, Param]


def retrain(spec: ModelSpec, reigns: Sequence[ReignRecord] | None = None) -> Form:
    """The form of a retrain DAG; every field may keep its default. It names the champion where `reigns` is known."""
    return {
        "as_of": Param(
            None, type=["null", "string"], format="date", title=f"As of ({spec.start_date} to {_until(spec)})",
            description_md="Only what was known on this date (00:00 UTC) is used. The schedule has the dates above; "
            "another works where enough outcomes had matured by then, and is refused with the first and the last that "
            f"do where not. With a date the lane is `{WHAT_IF}`, unless you choose another. Empty: the run's own date.",
        ),
        "lane": Param(
            None, type=["null", "string"], pattern=LANE_PATTERN, title="Lane",
            description_md="Only `live` can change the champion. Any other name is a separate line of decisions. "
            f"Empty: `live`; with an as-of date above `{WHAT_IF}`; in a backfill `{BACKTEST}`, where `live` is "
            f"refused.{_champion(reigns)}",
            examples=[LIVE, BACKTEST, WHAT_IF],
        ),
        "reason": _reason("the decision"),
        **{f"{TRAIN}{name}": _candidate(name, c.estimator) for name, c in spec.training.candidates.items()},
    }  # fmt: skip


def score(spec: ModelSpec) -> Form:
    """The form of a scoring DAG; every field may keep its default."""
    usual = spec.scoring.lane if spec.scoring else LIVE
    return {
        "as_of": Param(
            None, type=["null", "string"], format="date", title="As of",
            description_md="Events before this date (00:00 UTC) are scored, from what was known then. Empty: the run's "
            "own date.",
        ),
        "lane": Param(
            None, type=["null", "string"], pattern=LANE_PATTERN, title="Lane",
            description_md="Whose champion scores: of `live` the one at the end of the as-of date by the clock, of any "
            f"other the one by as-of dates. Empty: `{usual}`.",
            examples=[LIVE, BACKTEST, WHAT_IF],
        ),
        "reason": _reason("it"),
    }  # fmt: skip


def monitor(spec: ModelSpec) -> Form:
    """The form of a monitoring DAG; every field may keep its default."""
    usual = spec.scoring.lane if spec.scoring else LIVE
    return {
        "as_of": Param(
            None, type=["null", "string"], format="date", title="As of",
            description_md="What was scored until this date (00:00 UTC), and the outcomes that were final then. Empty: "
            "that of the scoring run that starts it, else the run's own date.",
        ),
        "lane": Param(
            None, type=["null", "string"], pattern=LANE_PATTERN, title="Lane",
            description_md=f"Whose scores are looked at. Empty: that of the scoring run, else `{usual}`.",
            examples=[LIVE, BACKTEST, WHAT_IF],
        ),
        "reason": _reason("it"),
    }  # fmt: skip


def _reason(kept_with: str) -> Param:
    return Param(
        None, type=["null", "string"], maxLength=500, pattern=TYPED, title="Reason",
        description_md=f"Why you start this run. Recorded with {kept_with}.",
    )  # fmt: skip


def _candidate(name: str, estimator: str) -> Param:
    return Param(True, type="boolean", title=name, description_md=f"`{estimator}`", section="Candidates")


def _until(spec: ModelSpec) -> str:
    return str(spec.end_date) if spec.end_date else "today"


def lane(values: Mapping[str, Any], *, backfill: bool) -> str:
    """The lane of a run: the one its form names, else backtest in a backfill, what-if with an as-of date, else live."""
    empty = BACKTEST if backfill else WHAT_IF if values.get("as_of") else LIVE
    return str(values.get("lane") or empty)


def refuse_in_backfill(values: Mapping[str, Any]) -> None:
    """A backfill runs at its own dates and cannot change the live champion.

    Raises:
        UsageError: its form names an as-of date or the lane live.
    """
    if values["lane"] == LIVE or values["as_of"]:
        raise UsageError(
            "a backfill takes each run's own date as as_of, and any lane but live; leave both fields empty"
        )


def refuse_unknown(conf: Mapping[str, Any] | None, form: Form) -> None:
    """Airflow takes any key in a run's values (`conf`) and uses only those of the form.

    Raises:
        UsageError: a key is none of the form's; the message names it, the nearest valid one and all of them.
    """
    if unknown := [key for key in conf or {} if key not in form and key != OPENLINEAGE]:
        named = ", ".join(f"{key!r}{_nearest(key, form)}" for key in unknown)
        keys = "key" if len(unknown) == 1 else "keys"
        raise UsageError(f"conf: unknown {keys} {named}; valid: {', '.join(form)}. Nothing was started")


def _nearest(key: str, form: Form) -> str:
    close = difflib.get_close_matches(key, form, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def candidates(spec: ModelSpec, values: Mapping[str, Any]) -> list[str]:
    """The candidates that are switched on in the form.

    Raises:
        UsageError: none is.
    """
    fields = {f"{TRAIN}{name}": name for name in spec.training.candidates}
    if chosen := [name for field, name in fields.items() if values[field]]:
        return chosen
    raise UsageError(f"{spec.name}: no candidate is switched on; leave at least one of {', '.join(fields)} on")


def rollback(reigns: Sequence[ReignRecord] | None) -> Form:
    """The form of a rollback DAG: a list of earlier champions; any number where `reigns` (oldest first) is None."""
    return {
        "reason": Param(
            type="string", minLength=3, maxLength=500, pattern=TYPED, title="Reason",
            description_md="Recorded in the ledger, with your name.",
        ),
        "to": Param(
            None, title="To version",
            description_md=f"A version that was champion before. Empty: the champion's predecessor.{_champion(reigns)}",
            **({"type": ["null", "integer"], "minimum": 1} if reigns is None else _pick_list(reigns)),
        ),
        "leaving": Param(
            None, type=["null", "integer"], minimum=1, title="Only if this version is champion",
            description_md="The run fails and changes nothing if another version is champion. Empty: no condition.",
        ),
        "force": Param(
            False, type="boolean", title="Force",
            description_md="Also allow a version that was itself rolled back.",
        ),
    }  # fmt: skip


def _pick_list(reigns: Sequence[ReignRecord]) -> dict[str, Any]:
    """Every earlier champion, the newest version first, each with its reigns."""
    versions = sorted({r.version for r in reigns} - {r.version for r in reigns[-1:]}, reverse=True)
    names = {str(version): _name(version, reigns) for version in versions}
    return {
        "type": ["null", "integer"],
        "enum": [None, *versions],
        "values_display": {"null": _predecessor(reigns), **names},
    }


def _predecessor(reigns: Sequence[ReignRecord]) -> str:
    """Where a rollback leads that names no version, such as `the predecessor, version 4`."""
    if not reigns:
        return "the predecessor"
    from titleholder.ledger import rollbacks

    started = [None, *(reign.version for reign in reigns)]
    changes = [rollbacks.Change(r.kind, before, r.version) for before, r in zip(started, reigns, strict=False)]
    before = rollbacks.predecessor(changes, reigns[-1].version)
    return "the predecessor (there is none)" if before is None else f"the predecessor, version {before}"


def _champion(reigns: Sequence[ReignRecord] | None) -> str:
    """A sentence that names the champion and its predecessor; empty where nothing is known."""
    if not reigns:
        return "" if reigns is None else " There is no champion yet."
    now = reigns[-1]
    return (
        f" Champion: version {now.version}, as of {now.as_of}, since {now.reigned_from:%Y-%m-%d}; "
        f"{_predecessor(reigns)}."
    )


def _name(version: int, reigns: Sequence[ReignRecord]) -> str:
    """Such as `version 4: 2026-01-01 to 2026-03-01 (rolled back), as of 2025-12-01`."""
    ended = [(r, successor) for r, successor in itertools.pairwise(reigns) if r.version == version]
    times = [
        f"{r.reigned_from:%Y-%m-%d} to {r.reigned_to:%Y-%m-%d}{' (rolled back)' if s.kind == 'rollback' else ''}"
        for r, s in ended
    ]
    return f"version {version}: {', '.join(times)}, as of {ended[0][0].as_of}"


def reigns(models: Iterable[str]) -> Mapping[str, Sequence[ReignRecord]] | None:
    """The live reigns of each model, in one query. None, and a warning in the log, where the ledger does not answer."""
    try:
        url = need("TITLEHOLDER_LEDGER_URL")
        from titleholder.ledger import queries  # here, because it imports SQLAlchemy

        return queries.reigns_by_model(url, models)
    except Exception as error:  # the form must exist whatever is wrong with the ledger
        LOG.warning("The forms name no champion, and a rollback's takes any number: %s", _cause(error))
        return None


def _cause(error: Exception) -> str:
    """The error without an address, which may carry a password."""
    return str(error) if isinstance(error, TitleholderError) else type(error).__name__
