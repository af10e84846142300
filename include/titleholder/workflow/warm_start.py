"""Earlier versions whose parameters a search tries first: `training.search.warm_start: champion`.

Which versions these are depends on what the lane had decided when the run began. So they are part of the run's key, and
each training run keeps those that it used, for `titleholder reproduce`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from titleholder.ledger import reigns
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.spec.model import ModelSpec
from titleholder.training import search
from titleholder.workflow.payloads import Donor

LAST = 3
"""So many of the lane's last challengers donate, beside the champion."""


def donors(spec: ModelSpec, as_of: date, rows: Sequence[LaneEntry], registry: Registry) -> tuple[Donor, ...]:
    """The champion and the last challengers of earlier as-of dates, the newest first; equal parameters once.

    Nothing of this as-of date counts, so that a run that is repeated finds what it made. A version donates only where
    all its searched parameters lie within the spec's spaces as they are now.
    """
    found: dict[tuple[str, str], Donor] = {}
    for version in _versions(as_of, rows):
        run = registry.models.training_run(spec.name, version)
        name = run.tags.get(names.CANDIDATE, "") if run else ""
        candidate = spec.training.candidates.get(name)
        params = search.parameters_from(run.params, candidate) if run and candidate else None
        if params:
            donor = Donor(version=version, candidate=name, params=params)
            found.setdefault((name, json.dumps(params, sort_keys=True)), donor)
    return tuple(found.values())


def _versions(as_of: date, rows: Sequence[LaneEntry]) -> Iterable[int]:
    if not rows:
        return []
    lane = rows[0].lane
    earlier = sorted((r for r in reigns.in_force(rows, lane) if r.as_of < as_of), key=lambda r: r.as_of)
    champion = [earlier[-1].champion_after] if earlier else []
    challengers = dict.fromkeys(r.challenger_version for r in reversed(earlier) if r.challenger_version is not None)
    return dict.fromkeys(v for v in [*champion, *list(challengers)[:LAST]] if v is not None)


def start(spec: ModelSpec, as_of: date, given: Sequence[Donor]) -> search.Start:
    """The start of a search with these donors; without a warm start, the same for every as-of date."""
    if spec.training.search.warm_start is None:
        return search.COLD
    return search.Start([donor.params for donor in given], as_of.toordinal())


def recorded(given: Sequence[Donor]) -> dict[str, str]:
    """The tag of a training run that keeps its donors; empty where it has none."""
    return names.tags(donors=json.dumps([d.model_dump() for d in given])) if given else {}


def of_run(tags: Mapping[str, str]) -> list[Donor]:
    """The donors of a training run, from its tags."""
    return [Donor.model_validate(donor) for donor in json.loads(tags.get(names.DONORS, "[]"))]
