"""What a step that ran elsewhere returned: taken where it answers what was asked, refused where it is of another run."""

from __future__ import annotations

import copy
import json
import random
from datetime import date
from typing import Any

import pytest

from support.factories import a_decision, a_nominee, a_spec, a_verdict, spans_of
from titleholder.errors import DataError, UsageError
from titleholder.workflow import remote
from titleholder.workflow.payloads import (
    Challenger,
    Origin,
    ProposedDecision,
    Snapshot,
    TrainedCandidate,
)
from titleholder.workflow.publication import summary

AS_OF = date(2024, 6, 1)
SPEC = a_spec()
NAMES = tuple(SPEC.training.candidates)


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[Any, Any]]:
    """What each step is given and returns, as JSON."""
    origin = Origin(actor="ann")
    order = {"model": SPEC.name, "spec": SPEC.model_dump(mode="json"), "as_of": str(AS_OF), "lane": "answers",
             "candidates": list(NAMES), "origin": {"actor": "ann"}}  # fmt: skip
    snapshot = Snapshot(
        spec=SPEC, lane="answers", as_of=AS_OF, spans=spans_of(SPEC, AS_OF), candidates=NAMES, uri="/s/x.parquet",
        sha256="ab", rows=9, key="k", run_id="run", origin=origin,
    )  # fmt: skip
    trained = TrainedCandidate(snapshot=snapshot, nominee=a_nominee(NAMES[0], "t"), score=0.1 + 0.2)
    challenger = Challenger(
        snapshot=snapshot, name=NAMES[0], version=4, trained_through=AS_OF, ranking=(trained.nominee,)
    )
    proposed = ProposedDecision(challenger=challenger, verdict=a_verdict(), kind="promote", reason="So.")
    decided = a_decision(3, model=SPEC.name, lane="answers", as_of=AS_OF)
    text = {
        "snapshot": snapshot, "trained": trained, "challenger": challenger, "proposed": proposed,
    }  # fmt: skip
    plain = {name: json.loads(value.model_dump_json()) for name, value in text.items()}
    return {
        "extract": (order, plain["snapshot"]),
        "train": ({"snapshot": plain["snapshot"], "name": NAMES[0]}, plain["trained"]),
        "nominate": ([plain["trained"]], plain["challenger"]),
        "validate": (plain["challenger"], plain["proposed"]),
        "promote": (plain["proposed"], json.loads(json.dumps(summary(decided)))),
        "report": ({"id": 3, "origin": {"actor": "ann"}}, {"id": 3}),
    }


def changed(value: Any, path: str, to: Any) -> Any:
    made = at = copy.deepcopy(value)
    *way, last = path.split(".")
    for key in way:
        at = at[int(key) if key.isdigit() else key]
    at[last] = to
    return made


def test_what_a_step_returns_is_taken_as_it_is(answers: dict[str, tuple[Any, Any]]) -> None:
    for verb, (payload, returned) in answers.items():
        assert remote.verified(verb, payload, returned) == returned


@pytest.mark.parametrize(
    ("verb", "path", "to", "said"),
    [
        ("extract", "lane", "live", "its lane is another"),
        ("extract", "as_of", "2024-04-01", "its as_of is another"),
        ("extract", "origin.actor", "bob", "its origin is another"),
        ("extract", "candidates", ["another"], "its candidates are others"),
        ("train", "snapshot.sha256", "cd", "the snapshot's sha256 is another"),
        ("train", "nominee.name", "another", "it is the candidate 'another'"),
        ("nominate", "ranking.0.model.uri", "models:/x", "it names a candidate .* that was not given"),
        ("nominate", "snapshot.uri", "/tmp/x", "the snapshot's uri is another"),
        ("validate", "challenger.snapshot.lane", "live", "the snapshot's lane is another"),
        ("validate", "answer", {"asked": ["cfo"], "answer": "approve", "by": "cfo"}, "an answer, and nobody was asked"),
        ("promote", "lane", "live", "its lane is 'live'"),
        ("promote", "id", "3", "it has no number"),
        ("report", "id", 4, "it is about another decision"),
        ("extract", "spec.owner", "somebody", "its spec is another"),
    ],
)
def test_an_answer_of_another_run_is_refused(
    verb: str, path: str, to: Any, said: str, answers: dict[str, tuple[Any, Any]]
) -> None:
    payload, returned = answers[verb]
    with pytest.raises(DataError, match=said):
        remote.verified(verb, payload, changed(returned, path, to))


@pytest.mark.parametrize("returned", [None, "text", [], 3, {"id": "x"}])
def test_what_is_no_answer_at_all_is_refused(returned: Any, answers: dict[str, tuple[Any, Any]]) -> None:
    for verb, (payload, _) in answers.items():
        with pytest.raises(DataError, match=f"{verb}: what the container returned is no .* Nothing was handed on"):
            remote.verified(verb, payload, returned)


def test_a_payload_travels_in_a_variable_or_is_refused() -> None:
    payload = {"spec": "x" * 500_000, "score": 0.1 + 0.2}
    text = remote.packed(payload)
    assert len(text) < 2_000
    assert json.loads(remote.unpacked(text)) == payload
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=400_000))  # what cannot be compressed to fit
    with pytest.raises(UsageError, match=r"bytes when it is compressed, and a container can be given 131,"):
        remote.packed({"spec": noise})
    for damaged in ("not base64!", text[:40]):
        with pytest.raises(UsageError, match="is not compressed JSON in base64"):
            remote.unpacked(damaged)
