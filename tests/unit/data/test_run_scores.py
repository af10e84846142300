"""The digest of a run's scores."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pyarrow as pa
import pytest

from titleholder.data.run_scores import SCHEMA, Digest, as_text

ENTITIES, MOMENTS, SCORES = ["7", "", "Zoë", "x" * 300], [0, -1, 10**15, 2], [0.25, -0.0, 1e-300, 1.0]
REASONS = [["age", "größe"], None, [], ["debt"]]


def rows(**changes: Any) -> pa.RecordBatch:
    columns = {
        "position": [0, 1, 2, 3],
        "entity": ENTITIES,
        "event_time": MOMENTS,
        "score": SCORES,
        "reasons": REASONS,
    } | changes
    return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def digest(*batches: pa.RecordBatch) -> str:
    made = Digest()
    for batch in batches:
        made.update(batch)
    return made.hexdigest()


def test_it_is_what_its_description_says() -> None:
    texts = [entity.encode() for entity in ENTITIES]
    columns = (
        struct.pack("<4i", 0, 1, 2, 3), struct.pack("<4i", *map(len, texts)), b"".join(texts),
        struct.pack("<4q", *MOMENTS), struct.pack("<4d", *SCORES),
        struct.pack("<4i", 2, -1, 0, 1), struct.pack("<3i", 3, 7, 4), "agegrößedebt".encode(),
    )  # fmt: skip
    by_hand = hashlib.sha256(b"".join(hashlib.sha256(column).digest() for column in columns)).hexdigest()
    assert digest(rows()) == by_hand


def test_it_does_not_depend_on_batches() -> None:
    whole = rows()
    assert digest(whole) == digest(whole.slice(0, 1), whole.slice(1, 0), whole.slice(1, 2), whole.slice(3))


@pytest.mark.parametrize(
    "changes",
    [
        {"score": [0.25, 0.0, 1e-300, 1.0]},
        {"score": [0.25, -0.0, 1e-300, 1.0 + 2**-52]},
        {"event_time": [0, -1, 10**15, 3]},
        {"entity": ["", "7", *ENTITIES[2:]]},
        {"entity": ["7Z", "", "oë", ENTITIES[3]]},
        {"position": [1, 0, 2, 3]},
        {"reasons": [["größe", "age"], None, [], ["debt"]]},
        {"reasons": [["age", "größe"], [], None, ["debt"]]},
        {"reasons": [["age"], ["größe"], None, ["debt"]]},
        {"reasons": [["age", "größ"], None, [], ["edebt"]]},
        {"reasons": [None] * 4},
    ],
)
def test_it_changes_with_any_value(changes: dict[str, Any]) -> None:
    assert digest(rows(**changes)) != digest(rows())


def test_rows_that_are_missing_change_it() -> None:
    assert digest(rows().slice(0, 3)) != digest(rows())
    assert digest(rows().slice(0, 0)) != digest(rows())


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([1, 2**62]), ["1", str(2**62)]),
        (pa.array([1.0, None, -3.0, -0.0]), ["1", None, "-3", "0"]),
        (pa.array([1.5, 2.0]), ["1.5", "2"]),
        (pa.array([2.0**53, 1e30, float("inf"), float("nan")]), [str(2**53), "1e+30", "inf", "nan"]),
        (pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
        (pa.array([], pa.float64()), []),
    ],
)
def test_entities_are_texts(values: Any, texts: list[str | None]) -> None:
    assert as_text(values).to_pylist() == texts


def test_an_entity_has_one_name_however_rows_are_cut_into_batches() -> None:
    values = pa.array([1.0, 2.0, 2.5, None])
    apart = [as_text(values.slice(n, 1)).to_pylist()[0] for n in range(4)]
    assert apart == as_text(values).to_pylist() == ["1", "2", "2.5", None]
