"""What each task passes to its step and what it hands on, with steps that only note what they got.

The tasks with real steps, in real runs, are in tests/e2e.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from support import apart
from support.stacks import MODELS

PRELUDE = """
import sys
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace as Of
from support.factories import a_decision, a_nominee, a_verdict, spans_of
from titleholder.errors import SignatureError, UsageError
from titleholder.spec.loader import load_specs
from titleholder.workflow import interventions, publication, steps
from titleholder.workflow.payloads import (
    ApprovalRequest, Challenger, ProposedDecision, RollbackOrder, Snapshot, TrainedCandidate, ValidatedChallenger)
from titleholder_airflow import approval, links, retrain, rollback, signing, tasks, versions

FOLDER = Path(sys.argv[1])
SPEC = load_specs(FOLDER, only="tiny_asked")["tiny_asked"]
AS_OF = date(2024, 3, 1)
seen, events = {}, []

class Outlets:  # by aliases, which have no hash in Airflow 3.1
    def __init__(self, outlet):
        self._outlet = outlet
    def __getitem__(self, alias):
        assert alias == tasks.champion_outlet("small")
        return self._outlet

def run(kind="manual", user="ann", conf=None, **form):
    fields = {"as_of": None, "lane": None, "reason": "why", "train_scorecard": True} | form
    record = Of(dag_id="tiny_asked.retrain", run_id="r 1", run_type=kind, conf=conf or {}, triggering_user_name=user,
                data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC))
    outlet = Of(add=lambda asset, extra: events.append([asset.uri, extra]))
    ti = Of(dag_id=record.dag_id, run_id=record.run_id, task_id="extract")
    context = {"dag_run": record, "params": fields, "ti": ti,
               "outlet_events": Outlets(outlet)}
    for module in (retrain, rollback, tasks):
        module.get_current_context = lambda: context

def step(name, result, module=steps):
    def noted(*given, **named):
        seen[name] = [given, {k: v for k, v in named.items() if k != "settings"}]
        return result(*given) if callable(result) else result
    setattr(module, name, noted)

def a_snapshot(spec, as_of, lane):
    return Snapshot(spec=spec, lane=lane, as_of=as_of, spans=spans_of(spec, as_of), candidates=("scorecard",),
                    uri="/s/x.parquet", sha256="ab", rows=9, key="k", run_id="run", origin=seen["extract"][1]["origin"])

def refused(call, *given, **named):
    try:
        call(*given, **named)
    except (UsageError, SignatureError) as error:
        return str(error)
    except versions.AirflowFailException as error:  # before Airflow 3.3
        return str(error.__cause__)

publication.summary = lambda decision: {"id": decision.id, "kind": decision.kind}
decided = a_decision(4, champion_before=2)
"""

RETRAIN = """
step("extract", a_snapshot)
step("train", lambda snapshot, name: TrainedCandidate(snapshot=snapshot, nominee=a_nominee(name, "t"), score=0.1 + 0.2))
step("nominate", lambda trained: Challenger(snapshot=trained[0].snapshot, name="scorecard", version=4, trained_through=AS_OF, ranking=(trained[0].nominee,)))
step("validate", lambda challenger: ValidatedChallenger(challenger=challenger, verdict=a_verdict()))
step("decide", lambda found: ProposedDecision(challenger=found.challenger, verdict=found.verdict, kind="ask", reason="So."))
step("promote", decided)
step("report", None)

run()
snapshot = json.loads(json.dumps(retrain.extract.function("tiny_asked", str(FOLDER))))
trained = retrain.train.function(snapshot, "scorecard")
challenger = retrain.nominate.function([None, trained])
proposed = retrain.validate.function(challenger)
published = retrain.promote.function(proposed)
given, named = seen["extract"]
answer = {
    "extract": [given[0].name, str(given[1]), given[2], named["candidates"], named["url"], named["origin"].model_dump()],
    "switched off": retrain.train.function(snapshot, "boosting"),
    "train": [seen["train"][0][0] == a_snapshot(*given), seen["train"][0][1]],
    "connections": seen["train"][1]["connections"] is tasks.connection_url,
    "nominate": [c.model_dump(mode="json") == trained for c in seen["nominate"][0][0]],
    "score": seen["nominate"][0][0][0].score,
    "handed on": [seen[name][0][0].model_dump(mode="json") == payload for name, payload in
                  {"validate": challenger, "promote": proposed}.items()],
    "ruled on": seen["decide"][0][0].challenger.model_dump(mode="json") == challenger,
    "published": published, "events": list(events),
    "report": [retrain.report.function(published), seen["report"][0][0], seen["report"][1]["origin"].actor],
}
extract = lambda: retrain.extract.function("tiny_asked", str(FOLDER))
run("scheduled", user=None); extract()
answer["scheduled"] = [seen["extract"][1]["origin"].actor, seen["extract"][0][2]]
run("backfill"); extract()
answer["backfill"] = seen["extract"][0][2]
run("backfill", as_of="2024-01-01")
answer["a date in a backfill"] = refused(extract)
run(as_of="2024-01-01"); extract()
answer["a date"] = [str(seen["extract"][0][1]), seen["extract"][0][2]]
run(conf={"lanne": "x"})
answer["an unknown key"] = refused(extract)
tasks.publish(a_decision(5, kind="keep", champion_before=4, champion_after=4))
tasks.publish(a_decision(6, lane="backtest", champion_before=4))
answer["events of a keep and of another lane"] = len(events) - 1
"""

APPROVE = """
run()
seen["extract"] = [(), {"origin": tasks.origin(retrain.get_current_context())}]
snapshot = a_snapshot(SPEC, AS_OF, "live")
challenger = Challenger(snapshot=snapshot, name="scorecard", version=4, trained_through=AS_OF, ranking=(a_nominee("scorecard"),))
proposed = ProposedDecision(challenger=challenger, verdict=a_verdict(), kind="ask", reason="So.")
order = RollbackOrder(reason="bad", actor="cfo", to=1, leaving=2, approvers=(SPEC.promotion.approval.people[0],))
def wait(self, context):
    raise versions.WAITING(method_name="execute_complete", **({} if versions.AIRFLOW_V_3_3_PLUS else {"trigger": None}))
approval.ApprovalOperator.execute = wait
kept = {}  # what Airflow kept of the question of an earlier try
approval.task_runner.SUPERVISOR_COMMS = Of(send=lambda question: question.model_copy(update=kept))
TI = Of(id="018f0000-0000-7000-8000-000000000000", dag_id="tiny_asked.retrain", run_id="r 1", task_id="approve", try_number=2)
CONTEXT = {"ti": TI}
opened = lambda value: signing.opened(value, signing.Place.of(TI))
people = {p.name: p for p in SPEC.promotion.approval.people}

def operators():
    common = {"task_id": "approve", "approval": SPEC.promotion.approval}
    return {"ask": approval.Approve(proposed=proposed.model_dump(mode="json"), **common),
            "ask_to_roll_back": approval.ApproveRollback(spec=SPEC, proposed=order.model_dump(mode="json"), **common)}

def asked(name, request):
    step(name, request, steps if name == "ask" else interventions)
    operator = operators()[name]
    try:
        return operator, operator.execute(CONTEXT)
    except versions.WAITING as waiting:
        return operator, waiting.kwargs

def response(option, user):
    return {"chosen_options": [option], "params_input": {"comment": "as discussed"} if user else {},
            "responded_at": datetime(2024, 3, 2, tzinfo=UTC),
            "responded_by_user": {"id": user, "name": user} if isinstance(user, str) else user}

answer = {}
for name, payload in {"ask": proposed, "ask_to_roll_back": order}.items():
    same, who = payload.model_dump(mode="json"), {"ask": "cfo", "ask_to_roll_back": "risk-lead"}[name]
    _, unneeded = asked(name, None)
    got = seen[name][0][-1] == payload
    _, nobody = asked(name, ApprovalRequest(subject="s", body="b", asked=()))
    request = ApprovalRequest(subject="May it?", body="Checks", asked=(people["cfo"],), card="http://card")
    operator, about = asked(name, request)
    facts = operator.notice_facts
    def answered(option, user, **changes):
        operator = operators()[name]
        operator.proposed = operator.proposed | changes
        return opened(operator.execute_complete(CONTEXT, response(option, user), **about))["answer"]
    kept["body"] = "other checks"
    another = refused(asked, name, request)
    kept.clear()
    answer[name] = {
        "got the payload": got, "unneeded": opened(unneeded) == same, "nobody": opened(nobody)["answer"],
        "subject": [operator.subject, operator.body, [u["id"] for u in operator.assigned_users]],
        "facts": {k: str(v) for k, v in facts.items() if k != "until"}, "until": facts["until"].endswith(" UTC"),
        "yes": answered("Approve", who), "no": answered("Reject", who), "silence": answered("Reject", None),
        "who asked for it": answered("Approve", {"id": who, "name": {"ask": "ann", "ask_to_roll_back": "cfo"}[name]})["by"],
        "a namesake": answered("Approve", {"id": "9", "name": "cfo"})["by"],
        "replaced": refused(answered, "Approve", who, **{"head": 9} if name == "ask" else {"to": 9}),
        "another question": another,
    }
    whole = opened(operators()[name].execute_complete(CONTEXT, response("Approve", who), **about))
    answer[name]["rest"] = {**whole, "answer": None} == {**same, "answer": None}
"""

ROLLBACK = """
step("order_rollback", lambda model, order: order.model_copy(update={"to": 1, "leaving": 2}), interventions)
step("rollback", decided, interventions)
run(reason="bad", to=1, leaving=None, force=False)
order = rollback.request.function("tiny_asked", str(FOLDER))

answered = {**order, "answer": {"asked": ["cfo"], "answer": "reject", "by": "cfo"}}
answer = {"order": order, "published": rollback.roll_back.function("tiny_asked", str(FOLDER), None),
          "of the form": seen["rollback"][0][1].model_dump(mode="json"), "spec": seen["rollback"][1]["spec"].name}
rollback.roll_back.function("tiny_asked", str(FOLDER), answered)
answer["answered"] = seen["rollback"][0][1].model_dump(mode="json")["answer"]["by"]
answer["a broken spec"] = [rollback.request.function("broken", str(FOLDER))["to"], seen["order_rollback"][1]["spec"]]
"""

LOG = """
import logging, sys
from titleholder_airflow.tasks import step as a_step
from airflow.sdk import DAG

@a_step
def told():
    frames, frame = [], sys._getframe()
    while frame := frame.f_back:
        frames.append(frame.f_code.co_name)
    return {"payload": "a long one", "frames": frames}

logging.basicConfig(level=logging.INFO)
with DAG("any.retrain"):
    operator = told().operator
answer = operator.execute({"ti": Of(dag_id="any.retrain", run_id="r 1", task_id="told")})
"""

LINKS = """
found = {}
links.BaseXCom.get_value = lambda ti_key, key: found.get(key)
HERE = Of(dag_id="tiny.retrain", run_id="r 1", task_id="any")
every = {"run": links.MlflowRunLink(), "version": links.ModelVersionLink(), "decision": links.DecisionLink()}
snapshot = {"run_id": "run", "spec": {"name": "tiny"}}

def of(value, edited=None):
    result = signing.sign(value, signing.Place.of(HERE)) if isinstance(value, dict) else value
    found["return_value"] = result
    if edited:
        result["payload"] = json.dumps({**value, **edited})
    return {name: link.get_link(None, ti_key=HERE) for name, link in every.items()}

answer = {
    "extract": of(snapshot),
    "train": of({"snapshot": snapshot, "run_id": "t"}),
    "validate": of({"challenger": {"snapshot": snapshot, "run_id": "t", "version": 4}}),
    "promote": of({"id": 12, "model": "tiny", "mlflow_run_id": "run", "challenger_version": 4, "champion_after": 3}),
    "rollback": of({"id": 13, "model": "tiny", "mlflow_run_id": "", "challenger_version": None, "champion_after": 3}),
    "failed": of(None),
    "edited": of({"id": 12, "model": "tiny", "mlflow_run_id": "run", "champion_after": 3}, edited={"id": 13}),
}
"""


PIECES = {"retrain": RETRAIN, "approve": APPROVE, "rollback": ROLLBACK, "links": LINKS, "log": LOG}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each piece left in `answer`; one process runs them all."""
    pieces = [f"{code}\nanswers[{name!r}] = answer" for name, code in PIECES.items()]
    answer, output = apart.run(
        tmp_path_factory.mktemp("airflow"), "\n".join([PRELUDE, "answers = {}", *pieces, "answer = answers"]), str(MODELS),
        AIRFLOW_CONN_WAREHOUSE="postgres://reader:x@db/warehouse",
        AIRFLOW__API__BASE_URL="https://airflow.example",
        TITLEHOLDER_SIGNING_KEY="x" * 48, TITLEHOLDER_LEDGER_URL="ledger", TITLEHOLDER_SNAPSHOTS="/s", MLFLOW_TRACKING_URI="http://mlflow.example",
    )  # fmt: skip
    return {**answer, "output": output.partition("ANSWER")[0]}


@pytest.fixture(scope="module")
def retrained(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["retrain"])


def test_extract_gets_what_form_and_run_say(retrained: dict[str, Any]) -> None:
    *rest, origin = retrained["extract"]
    assert rest == ["tiny_asked", "2024-03-01", "live", ["scorecard"], "postgres://reader:x@db/warehouse"]
    assert (origin["actor"], origin["airflow_run"], origin["reason"]) == ("ann", "tiny_asked.retrain/r 1", "why")
    assert origin["url"] == "https://airflow.example/dags/tiny_asked.retrain/runs/r%201"
    assert retrained["switched off"] is None
    assert retrained["scheduled"] == ["airflow:scheduled", "live"]
    assert retrained["backfill"] == "backtest"
    assert retrained["a date"] == ["2024-01-01", "what-if"]


def test_extract_refuses_a_date_in_a_backfill_and_unknown_keys(retrained: dict[str, Any]) -> None:
    assert "as_of" in retrained["a date in a backfill"]
    assert "unknown key 'lanne' (did you mean 'lane'?)" in retrained["an unknown key"]


def test_each_task_gives_its_step_what_the_one_before_handed_on(retrained: dict[str, Any]) -> None:
    assert retrained["train"] == [True, "scorecard"]
    assert retrained["connections"], "those of Airflow, for an engine"
    assert retrained["nominate"] == [True], "a candidate that failed is left out"
    assert retrained["score"] == 0.1 + 0.2
    assert retrained["handed on"] == [True] * 2
    assert retrained["ruled on"]
    assert retrained["report"] == [None, 104, "ann"]


def test_only_a_new_live_champion_updates_the_asset(retrained: dict[str, Any]) -> None:
    assert retrained["published"] == {"id": 104, "kind": "promote"}
    assert retrained["events"] == [["titleholder://small/champion", {"version": 4, "before": 2, "decision": 104}]]
    assert retrained["events of a keep and of another lane"] == 0


@pytest.mark.parametrize(
    ("name", "asked", "facts"),
    [
        ("ask", ["risk-lead", "cfo"], {"as_of": "2024-03-01", "challenger_version": "4", "recalled": "None", "reason": "So."}),
        ("ask_to_roll_back", ["risk-lead"], {"as_of": "", "challenger_version": "2", "rolled_back_to": "1", "reason": "bad"}),
    ],
)  # fmt: skip
def test_people_are_asked_and_their_answer_is_handed_on(
    found: dict[str, Any], name: str, asked: list[str], facts: dict[str, str]
) -> None:
    answered = found["approve"][name]
    assert answered["got the payload"]
    assert answered["unneeded"], "handed on as it is"
    assert (answered["nobody"]["answer"], answered["nobody"]["asked"]) == ("none", [])
    assert answered["subject"] == ["May it?", "Checks", ["cfo"]]
    assert answered["until"]
    assert answered["facts"] == {**facts, "by": "['cfo']", "links": "{'Model card': 'http://card'}"}
    yes = answered["yes"]
    assert (yes["answer"], yes["by"], yes["comment"], yes["asked"]) == ("approve", asked[-1], "as discussed", asked)
    assert yes["at"].startswith("2024-03-02")
    assert answered["rest"], "nothing else changed"
    assert (answered["no"]["answer"], answered["no"]["by"]) == ("reject", asked[-1])
    asker = {"ask": "ann (id cfo)", "ask_to_roll_back": "cfo (id risk-lead)"}[name]
    assert answered["who asked for it"] == asker, "also where the spec has the id and another name"
    assert answered["a namesake"] == "cfo (id 9)", "who was not asked"
    assert (answered["silence"]["answer"], answered["silence"]["by"], answered["silence"]["comment"]) == (
        "none",
        "",
        "",
    )


@pytest.mark.parametrize("name", ["ask", "ask_to_roll_back"])
def test_a_yes_is_for_the_question_that_people_read(found: dict[str, Any], name: str) -> None:
    """Somebody could put the proposal of an earlier try in its place, or clear the task: Airflow keeps its old text."""
    assert "asked about another proposal than the one that is there now" in found["approve"][name]["replaced"]
    assert "Airflow would show the text of its earlier question" in found["approve"][name]["another question"]


def test_a_rollback_is_ordered_by_the_form_and_done_with_the_answer(found: dict[str, Any]) -> None:
    rolled_back = found["rollback"]
    order = {"reason": "bad", "actor": "ann", "force": False, "run": "tiny_asked.retrain/r 1", "answer": None}
    assert rolled_back["order"].items() >= {**order, "to": 1, "leaving": 2}.items()
    assert rolled_back["of the form"].items() >= {**order, "to": 1, "leaving": None}.items()
    assert rolled_back["published"] == {"id": 104, "kind": "promote"}
    assert rolled_back["spec"] == "tiny_asked"
    assert rolled_back["answered"] == "cfo"
    assert rolled_back["a broken spec"] == [1, None], "it must not stop a rollback"


def test_what_a_task_returns_is_not_in_its_log(found: dict[str, Any]) -> None:
    assert "a long one" in found["log"]["payload"]
    assert "Returned value not shown" in found["output"]
    assert "a long one" not in found["output"]


def test_a_step_has_room_for_its_calls(found: dict[str, Any]) -> None:
    """Without it, how deep Airflow calls a task decides whether its loops take twice their time."""
    assert "with_room" in json.loads(found["log"]["payload"])["frames"]


def test_tasks_link_to_what_they_made(found: dict[str, Any]) -> None:
    linked = found["links"]
    there = {task: [name for name, address in of.items() if address] for task, of in linked.items()}
    assert there == {
        "extract": ["run"], "train": ["run"], "validate": ["run", "version"], "promote": ["run", "version", "decision"],
        "rollback": ["version", "decision"], "failed": [], "edited": [],
    }  # fmt: skip
    assert [linked[task]["run"].rpartition("/")[2] for task in ("extract", "train", "promote")] == ["run", "t", "run"]
    assert [linked[task]["version"].rpartition("/")[2] for task in ("promote", "rollback")] == ["4", "3"]
    assert linked["promote"]["decision"].endswith("/decisions/12")
