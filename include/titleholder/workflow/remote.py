"""What a step is given, and what it returned, where it ran elsewhere: packed into a variable, verified afterwards."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from titleholder.errors import DataError, UsageError
from titleholder.ledger.nominee import Nominee
from titleholder.workflow.payloads import Challenger, ProposedDecision, Snapshot, TrainedCandidate
from titleholder.workflow.verbs import VERBS, ExtractOrder, TrainOrder

VARIABLE = "TITLEHOLDER_PAYLOAD"
"""The variable from which a container reads its payload: `titleholder step VERB env:TITLEHOLDER_PAYLOAD`."""
LONGEST = 131_072 - len(VARIABLE) - 2
"""The greatest length of a variable's value in bytes: Linux starts no process with a longer one (MAX_ARG_STRLEN)."""


def packed(payload: Any) -> str:
    """A payload as the value of an environment variable: JSON, compressed, in base64.

    UsageError where it would be too long for one.
    """
    text = base64.b64encode(zlib.compress(json.dumps(payload).encode(), 9)).decode()
    if len(text) > LONGEST:
        raise UsageError(
            f"the payload has {len(text):,} bytes when it is compressed, and a container can be given {LONGEST:,}: "
            "a spec with less text, or with fewer candidates and segments, makes a smaller one. Or run this model's "
            "steps as tasks (run_in='task')"
        )
    return text


def unpacked(text: str) -> bytes:
    """The JSON text that `packed` made a variable's value of.

    >>> unpacked(packed({"id": 3}))
    b'{"id": 3}'
    """
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error) as error:
        raise UsageError(f"the payload is not compressed JSON in base64: {error}") from None


def verified(verb: str, payload: Any, returned: Any) -> dict[str, Any]:
    """What a step returned, if it can be the answer to its payload; both as JSON.

    It is of the same run, so of the same spec, lane, as-of date and rows; it names no candidate that was not handed
    on; and it has no answer of people, which only Airflow asks.

    Raises:
        DataError: naming what does not fit.
    """
    given = TypeAdapter(VERBS[verb].takes).validate_json(json.dumps(payload))
    found = _read(verb, returned) if verb in RETURNS else returned
    if not isinstance(found, BaseModel | dict) or (faults := [*FITS[verb](given, found)]):
        raise DataError(
            f"{verb}: what the container returned is no answer to what it was given: "
            f"{'; '.join(faults) if isinstance(found, BaseModel | dict) else 'it is no JSON object'}. Is its image of "
            "another version of Titleholder? Nothing was handed on"
        )
    return found.model_dump(mode="json") if isinstance(found, BaseModel) else found


RETURNS: dict[str, type[BaseModel]] = {
    "extract": Snapshot,
    "train": TrainedCandidate,
    "nominate": Challenger,
    "validate": ProposedDecision,
}
"""The payloads; `promote` and `report` return what the ledger has, and it is compared with that."""


def _read(verb: str, returned: Any) -> BaseModel:
    try:
        return RETURNS[verb].model_validate_json(json.dumps(returned))
    except (ValidationError, ValueError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DataError(
            f"{verb}: what the container returned is no {RETURNS[verb].__name__}: {said}. Is its image of another "
            "version of Titleholder? Nothing was handed on"
        ) from None


def _differing(given: Snapshot, found: Snapshot) -> list[str]:
    others = [name for name in Snapshot.model_fields if getattr(given, name) != getattr(found, name)]
    return [f"the snapshot's {name} is another" for name in others]


def _unknown(given: Sequence[Nominee], found: Sequence[Nominee]) -> list[str]:
    return [f"it names a candidate {nominee.name!r} that was not given" for nominee in found if nominee not in given]


def _extracted(given: ExtractOrder, found: Snapshot) -> list[str]:
    asked = {"lane": given.lane, "as_of": given.as_of, "origin": given.origin, "model": given.model}
    if given.spec is not None:
        asked["spec"] = given.spec
    faults = [f"its {name} is another" for name, value in asked.items() if getattr(found, name) != value]
    wanted = given.candidates or tuple(found.spec.training.candidates)
    return faults + (["its candidates are others"] if set(found.candidates) != set(wanted) else [])


def _trained(given: TrainOrder, found: TrainedCandidate) -> list[str]:
    named = [] if found.name == given.name else [f"it is the candidate {found.name!r}"]
    return named + _differing(given.snapshot, found.snapshot)


def _nominated(given: list[TrainedCandidate], found: Challenger) -> list[str]:
    return _differing(given[0].snapshot, found.snapshot) + _unknown([one.nominee for one in given], found.ranking)


def _validated(given: Challenger, found: ProposedDecision) -> list[str]:
    answered = ["it has an answer, and nobody was asked"] if found.answer else []
    about = found.challenger
    return answered + _differing(given.snapshot, about.snapshot) + _unknown(given.ranking, about.ranking)


def _promoted(given: ProposedDecision, found: dict[str, Any]) -> list[str]:
    run = given.challenger.snapshot
    asked = {"model": run.model, "lane": run.lane, "as_of": str(run.as_of)}
    faults = [f"its {name} is {found.get(name)!r}" for name, value in asked.items() if found.get(name) != value]
    return faults + ([] if isinstance(found.get("id"), int) else ["it has no number"])


FITS: dict[str, Callable[[Any, Any], list[str]]] = {
    "extract": _extracted,
    "train": _trained,
    "nominate": _nominated,
    "validate": _validated,
    "promote": _promoted,
    "report": lambda given, found: [] if found.get("id") == given.id else ["it is about another decision"],
}
