"""Whether the scores of a scoring run are still those that were written; a part of `titleholder audit`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate

from titleholder.data import snapshots
from titleholder.errors import DataError
from titleholder.ledger import score_runs
from titleholder.ledger.score_runs import ScoreRun

COMPARED = 10_000_000
"""The newest runs with so many scores together are read whole; of older ones the scores are counted."""
LONGEST = timedelta(hours=1)
"""For one query."""


def to_compare(runs: Sequence[ScoreRun], most: int = COMPARED) -> list[ScoreRun]:
    """The newest runs, of which every score is compared; the newest one is always among them."""
    newest = list(reversed(runs))
    totals = accumulate(run.rows for run in newest)
    return [run for n, (run, total) in enumerate(zip(newest, totals, strict=True)) if n == 0 or total <= most]


def scores_differ(run: ScoreRun, url: str) -> str:
    """What is wrong with the scores of a run, by their digest; empty where they are as they were written."""
    found = score_runs.digest_of(url, run.id, LONGEST)
    if found.rows != run.rows:
        return f"{_of(run)} wrote {run.rows:,} scores, and has {found.rows:,} now."
    if found.hexdigest() != run.scores_sha256:
        digests = f"{found.hexdigest()[:12]}…, not {run.scores_sha256[:12]}…"
        return f"{_of(run)} wrote other scores than it has now: their digest is {digests}."
    return ""


def miscounted(runs: Sequence[ScoreRun], url: str) -> list[tuple[ScoreRun, str]]:
    """The runs that do not have as many scores as they wrote, with a sentence about each."""
    found = score_runs.counts(url, [run.id for run in runs], LONGEST) if runs else {}
    said = {run.id: f"{_of(run)} wrote {run.rows:,} scores, and has {found.get(run.id, 0):,} now." for run in runs}
    return [(run, said[run.id]) for run in runs if found.get(run.id, 0) != run.rows]


def files_differ(run: ScoreRun, *, with_input: bool) -> list[str]:
    """A sentence about each file of a run, its scores and if wanted its input, that is gone or was changed."""
    wrong = []
    files = [(run.input_uri, run.input_sha256)] if with_input else []
    for uri, sha256 in (*files, (run.output_uri, run.output_sha256)):
        try:
            if uri:
                snapshots.verify(uri, sha256)
        except DataError as error:
            wrong.append(f"{_of(run)}: {str(error).partition('. Run the same')[0].rstrip('.')}.")
    return wrong


def _of(run: ScoreRun) -> str:
    shadow = ", in shadow" if run.role == "challenger" else ""
    return f"Scoring run {run.id} (as of {run.as_of}, version {run.version}{shadow})"
