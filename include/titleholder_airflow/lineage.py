"""What a step read and made, for OpenLineage: datasets, and a facet of our own about the decision.

Imported only where Airflow's OpenLineage provider is installed. The chain: warehouse table, snapshot, candidate, model
version, row of the ledger, champion. No address here has a login, and no row's content is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import attr
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import RunFacet, dataset_version_dataset
from openlineage_sql import parse

from titleholder.errors import TitleholderError
from titleholder.settings import need

log = logging.getLogger(__name__)
FACET = "titleholder_decision"
Payload = dict[str, Any]


@attr.define
class DecisionRunFacet(RunFacet):
    """A decision, as the ledger has it."""

    decision: int
    model: str
    lane: str
    kind: str
    asOf: str  # noqa: N815
    sequence: int
    hash: str
    snapshotSha256: str  # noqa: N815
    challenger: int | None
    championBefore: int | None  # noqa: N815
    championAfter: int | None  # noqa: N815


class Flow(NamedTuple):
    """What a step read, what it made, and the decision it wrote, if any."""

    inputs: list[Dataset] = []  # noqa: RUF012
    outputs: list[Dataset] = []  # noqa: RUF012
    facets: dict[str, RunFacet] = {}  # noqa: RUF012


def of(verb: str, received: Sequence[Any], handed_on: Payload | None) -> OperatorLineage[Any, Any] | None:
    """The lineage of a step that has ended; None where OpenLineage is switched off, or nothing is known.

    It never fails: the step has done its work.
    """
    if conf.is_disabled() or verb not in FLOWS:
        return None
    try:
        flow = FLOWS[verb](received, handed_on)
    except Exception as error:
        log.warning("OpenLineage learns nothing of %s: %s", verb, error)
        return None
    return OperatorLineage(inputs=flow.inputs, outputs=flow.outputs, run_facets=flow.facets)


def _extract(_: Sequence[Any], snapshot: Payload | None) -> Flow:
    return Flow(_tables(snapshot["spec"]), [_snapshot(snapshot)]) if snapshot else Flow()


def _train(received: Sequence[Any], trained: Payload | None) -> Flow:
    snapshot = received[0]
    return Flow([_snapshot(snapshot)], [_candidate(trained)] if trained else [])


def _nominate(received: Sequence[Any], challenger: Payload | None) -> Flow:
    return Flow([_candidate(one) for one in received[0] if one], [_version(challenger)] if challenger else [])


def _validate(received: Sequence[Any], _: Payload | None) -> Flow:
    return Flow([_snapshot(received[0]["snapshot"]), _version(received[0])])


def _promote(received: Sequence[Any], decision: Payload | None) -> Flow:
    challenger = received[0]["challenger"]
    read = [_snapshot(challenger["snapshot"]), _version(challenger)]
    return Flow(read, *_decided(decision)) if decision else Flow(read)


def _roll_back(_: Sequence[Any], decision: Payload | None) -> Flow:
    return Flow([], *_decided(decision)) if decision else Flow()


FLOWS: Mapping[str, Callable[[Sequence[Any], Payload | None], Flow]] = {
    "extract": _extract,
    "train": _train,
    "nominate": _nominate,
    "validate": _validate,
    "promote": _promote,
    "roll_back": _roll_back,
}


def _decided(summary: Payload) -> tuple[list[Dataset], dict[str, RunFacet]]:
    from titleholder.ledger import store
    from titleholder.spec.types import LIVE

    url = need("TITLEHOLDER_LEDGER_URL")
    row = store.decision(url, summary["id"])
    facet = DecisionRunFacet(
        decision=row.id, model=row.model, lane=row.lane, kind=row.kind, asOf=str(row.as_of), sequence=row.sequence,
        hash=row.hash, snapshotSha256=row.snapshot_sha256, challenger=row.challenger_version,
        championBefore=row.champion_before, championAfter=row.champion_after,
    )  # fmt: skip
    space, database = _server(url)
    made = [Dataset(namespace=space, name=f"{database}.titleholder.decisions")]
    if row.changed and row.lane == LIVE:
        made.append(_versioned(Dataset(namespace=_mlflow(), name=f"{row.model}@champion"), row.champion_after))
    return made, {FACET: facet}


def _tables(spec: Payload) -> list[Dataset]:
    """The tables that the query reads, in the warehouse's server."""
    found = parse([spec["sql"]], dialect="postgres")
    names = [table.qualified_name for table in found.in_tables] if found else list(spec["source"]["tables"])
    space, database = _warehouse(spec["source"]["connection"])
    return [Dataset(namespace=space, name=f"{database}.{name if '.' in name else f'public.{name}'}") for name in names]


def _warehouse(connection: str) -> tuple[str, str]:
    """By the connection's name, where only the pod of the step knows its address."""
    from titleholder_airflow.tasks import connection_url

    try:
        return _server(connection_url(connection))
    except TitleholderError:
        return f"airflow://{connection}", connection


def _server(url: str) -> tuple[str, str]:
    """Namespace and database of an address of PostgreSQL, as OpenLineage names them.

    >>> _server("postgresql://ann:secret@db.example.org/loans")
    ('postgres://db.example.org:5432', 'loans')
    """
    parts = urlsplit(url)
    return f"postgres://{parts.hostname or 'localhost'}:{parts.port or 5432}", parts.path.strip("/")


def _mlflow() -> str:
    return f"mlflow://{urlsplit(need('MLFLOW_TRACKING_URI')).netloc}"


def _snapshot(snapshot: Payload) -> Dataset:
    scheme, separate, rest = str(snapshot["uri"]).partition("://")
    if separate and scheme != "file":
        bucket, _, name = rest.partition("/")
        found = Dataset(namespace=f"{scheme}://{bucket}", name=name)
    else:
        found = Dataset(namespace="file", name=rest or scheme)
    return _versioned(found, snapshot["sha256"])


def _candidate(trained: Payload) -> Dataset:
    name = f"{trained['snapshot']['spec']['name']}/{trained['nominee']['name']}"
    return _versioned(Dataset(namespace=_mlflow(), name=name), trained["nominee"]["run_id"])


def _version(challenger: Payload) -> Dataset:
    name = challenger["snapshot"]["spec"]["name"]
    return _versioned(Dataset(namespace=_mlflow(), name=name), challenger["version"])


def _versioned(dataset: Dataset, version: Any) -> Dataset:
    dataset.facets = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))}
    return dataset
