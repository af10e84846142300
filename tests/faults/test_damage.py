"""Files that are truncated under a run: a snapshot, and a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fault_cases import FIRST, SECOND, Calm, first_month, outcome
from support.fragile import Fragile
from support.retraining import challenge, extract, retrain, settle
from titleholder.errors import DataError
from titleholder.ledger import store
from titleholder.registry.client import Registry, registry_at
from titleholder.settings import Settings
from titleholder.workflow import steps
from titleholder.workflow.audit import audit

pytestmark = pytest.mark.slow


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def model_file(fragile: Fragile, uri: str) -> Path:
    (found,) = fragile.state.artifacts.glob(f"*/models/{uri.rpartition('/')[2]}/artifacts/model.skops")
    return found


def test_a_snapshot_truncated_between_extract_and_training(fragile: Fragile, settings: Settings, calm: Calm) -> None:
    first_month("truncated", settings)
    snapshot = extract("truncated", SECOND, "live", settings, candidates=("scorecard",))
    truncate(Path(snapshot.uri))
    with pytest.raises(DataError, match=f"snapshot {snapshot.uri} was changed: .* Run the same as-of date"):
        steps.train(snapshot, "scorecard", settings=settings)
    retrain("truncated", SECOND, "live", settings, report=True)
    rows = store.read(settings.ledger_url, "truncated", "live")
    assert [outcome(r, rows) for r in rows] == [outcome(r, calm.rows) for r in calm.rows]
    assert audit(["truncated"], settings=settings).findings == ()


@pytest.mark.parametrize("whose", ["challenger", "champion"])
def test_a_model_truncated_before_it_is_judged(fragile: Fragile, settings: Settings, whose: str) -> None:
    """It is refused by name and nothing is decided; with the file restored the same run goes on."""
    first_month("truncated", settings)
    champion, lane = (
        store.read(settings.ledger_url, "truncated", "live")[-1],
        "live" if whose == "champion" else "trial",
    )
    found = challenge("truncated", FIRST.replace(month=4), lane, settings)
    before = store.read(settings.ledger_url, "truncated", lane)
    uri = (champion if whose == "champion" else found).nominee.model.uri
    file = model_file(fragile, uri)
    whole = file.read_bytes()
    truncate(file)
    registry_at.cache_clear()  # another process would read the file
    with pytest.raises(DataError, match=uri):
        settle(found, settings)
    assert store.read(settings.ledger_url, "truncated", lane) == before
    assert Registry(settings.tracking_uri).models.champion("truncated") == store.champion(
        settings.ledger_url, "truncated", "live"
    )
    file.write_bytes(whole)
    assert settle(found, settings).challenger_version == found.version
