"""What a task accepts as handed on by another: nothing that was edited, moved or copied from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support import apart

KEY = "k" * 48
CODE = """
import math, os
from types import SimpleNamespace as Of
from airflow.sdk import DAG
from titleholder.errors import SignatureError, UsageError
from titleholder_airflow import signing, tasks

PAYLOAD = {"float": 0.1 + 0.2, "large": 1e16, "zero": -0.0, "none": None, "text": "ünd \\u2028 \\\\ud800 {{ x }}", "nan": math.nan,
           "many": [1, 2.0, True], "signature": "x"}
HERE = signing.Place("m.retrain", "r 1", "validate")

def ti(task_id, run_id="r 1"):
    return Of(dag_id="m.retrain", run_id=run_id, task_id=task_id)

def refused(call, *given, **named):
    try:
        return [repr(call(*given, **named))]
    except (SignatureError, UsageError, TypeError) as error:
        return f"{type(error).__name__}: {error}"

with DAG("m.retrain"):
    @tasks.step
    def validate(challenger):
        return challenger
    @tasks.step
    def train(name):
        return {"name": name} if name == "a" else None
    @tasks.step
    def nominate(candidates, first):
        return {"names": [c["name"] for c in candidates], "first": first["kind"]}
    proposed = validate({"kind": "ask"})
    trained = [train.override(task_id=name)(name) for name in ("a", "b")]
    nominated = nominate(trained, first=proposed)
    mixed = refused(signing.source, [proposed, "text"])


def run(task, context, *given, **named):
    operator = task.operator
    operator.op_args, operator.op_kwargs = list(given), named
    return operator.execute({"ti": context})

signed = signing.sign(PAYLOAD, HERE)
stored = json.loads(json.dumps(signed))
opened = signing.opened(stored, HERE)
answer = {
    "same": repr(opened) == repr(PAYLOAD), "keys": sorted(signed),
    "edited": refused(signing.opened, signed | {"payload": signed["payload"].replace("true", "false")}, HERE),
    "elsewhere": {what: refused(signing.opened, signed, HERE._replace(**{what: value})) for what, value in
                  {"dag_id": "other", "run_id": "r 2", "task_id": "approve"}.items()},
    "shifted": refused(signing.opened, signed, HERE._replace(dag_id="m.retrain r", run_id="1")),
    "no value": [refused(signing.opened, value, HERE) for value in
                 (PAYLOAD, {}, [], "text", signed | {"signature": None}, signed | {"signature": "ü"}, signed | {"payload": 1})],
    "nothing": refused(signing.opened, None, HERE),
}

at = lambda task, name: signing.sign({"name": name}, signing.Place.of(ti(task)))
first = signing.sign({"kind": "keep"}, signing.Place.of(ti("validate")))
here = ti("nominate")
answer["steps"] = {
    "handed on": signing.opened(run(proposed, ti("validate"), {"kind": "ask"}), HERE),
    "nothing": run(trained[1], ti("b"), "b"),
    "all": signing.opened(run(nominated, here, [at("a", "a"), at("b", "b")], first=first), signing.Place.of(here)),
    "one failed": signing.opened(run(nominated, here, [None, at("b", "b")], first=first), signing.Place.of(here)),
    "swapped": refused(run, nominated, here, [at("b", "b"), at("a", "a")], first=first),
    "twice": refused(run, nominated, here, [at("a", "a"), at("a", "a")], first=first),
    "unsigned": refused(run, nominated, here, [{"name": "a"}, None], first=first),
    "of another task": refused(run, nominated, here, [at("a", "a"), None], first=at("a", "a")),
    "mixed": mixed,
}
for what, key in {"no key": "", "short": "k" * 31, "other": "o" * 48}.items():
    os.environ[signing.SIGNING_KEY] = key
    answer[what] = refused(run, nominated, here, [at("a", "a") if what == "other" else signed, None], first=first)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    answer, _ = apart.run(tmp_path_factory.mktemp("airflow"), CODE, TITLEHOLDER_SIGNING_KEY=KEY)
    return dict(answer)


def test_what_was_handed_on_arrives_as_it_was(found: dict[str, Any]) -> None:
    assert found["same"], "1e16 is no integer, -0.0 keeps its sign, NaN stays"
    assert found["keys"] == ["payload", "signature"]


def test_nothing_else_does(found: dict[str, Any]) -> None:
    refused = [found["edited"], *found["elsewhere"].values(), found["shifted"], *found["no value"]]
    assert len(refused) == 12
    for said in refused:
        assert said.startswith("SignatureError: what is there as the result (XCom) ")
        assert "was not handed on by it" in said
        assert KEY not in said
        assert "0.30000000000000004" not in said
    assert "of validate of the run m.retrain/r 1 was not" in found["edited"]
    assert found["nothing"].startswith("SignatureError: validate of the run m.retrain/r 1 returned nothing")


def test_a_step_verifies_what_it_gets_and_signs_what_it_returns(found: dict[str, Any]) -> None:
    steps = found["steps"]
    assert steps["handed on"] == {"kind": "ask"}
    assert steps["nothing"] is None, "a task may hand on nothing"
    assert steps["all"] == {"names": ["a", "b"], "first": "keep"}
    assert steps["one failed"]["names"] == ["b"]
    for what in ("swapped", "twice", "unsigned", "of another task"):
        assert steps[what].startswith("SignatureError: what is there"), what
    assert steps["mixed"].startswith("TypeError: an argument is what one task returned, or a list of such")


def test_no_task_runs_without_the_key(found: dict[str, Any]) -> None:
    assert found["no key"].startswith("UsageError: TITLEHOLDER_SIGNING_KEY is not set where this task runs.")
    assert 'python -c "import secrets; print(secrets.token_urlsafe(48))"' in found["no key"]
    assert found["short"].startswith("UsageError: TITLEHOLDER_SIGNING_KEY has 31 bytes, of which 32 are needed")
    assert "or TITLEHOLDER_SIGNING_KEY was changed" in found["other"]


RUNS = """
from types import SimpleNamespace as Of
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.utils.types import DagRunType
from titleholder_airflow import requesters

def run(kind, user=None, *events, cleared=0):
    return Of(triggering_user_name=user, run_type=DagRunType(kind), consumed_asset_events=events, clear_number=cleared)

def event(run_id=None):
    by = {"source_dag_id": "load", "source_task_id": "load", "source_run_id": run_id} if run_id else dict.fromkeys(
        ("source_dag_id", "source_task_id", "source_run_id"))
    return Of(**by, extra={})

known = {"nightly": run("scheduled"), "by ann": run("manual", "ann"), "cleared": run("scheduled", cleared=1),
         "chain": run("asset_triggered", None, event("by ann"), event("nightly")),
         "loose": run("asset_triggered", None, event("nightly"), event()),
         "ring": run("asset_triggered", None, event("ring"))}
asked = []
def send(request):
    asked.append(request.run_id)
    if request.run_id not in known:
        raise AirflowRuntimeError(ErrorResponse())
    return known[request.run_id]
requesters.task_runner.SUPERVISOR_COMMS = Of(send=send)
of = lambda *events: requesters.requesters(run("asset_triggered", None, *events))
answer = {
    "a person": requesters.requesters(run("manual", "bob")), "a schedule": requesters.requesters(run("scheduled")),
    "a task without a name": requesters.requesters(run("operator_triggered")),
    "by hand": of(event()), "no event": of(), "nightly": of(event("nightly")), "by ann": of(event("by ann")),
    "both": of(event("nightly"), event()), "cleared": of(event("cleared")), "deleted": of(event("gone")),
    "chain": of(event("chain")), "loose": of(event("loose")), "ring": of(event("ring")),
}
answer["asked"] = asked.count("ring")
"""


def test_who_asked_for_a_run_is_followed_back_as_far_as_airflow_knows(tmp_path: Path) -> None:
    found, _ = apart.run(tmp_path, RUNS)
    asked = found.pop("asked")
    anybody = {name for name, people in found.items() if people is None}
    assert anybody == {
        "a task without a name", "by hand", "no event", "both", "cleared", "deleted", "loose", "ring",
    }  # fmt: skip
    assert {name: people for name, people in found.items() if people is not None} == {
        "a person": ["bob"], "a schedule": [], "nightly": [], "by ann": ["ann"], "chain": ["ann"],
    }  # fmt: skip
    assert asked == 10, "not for ever"
