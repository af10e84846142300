"""House rules for DAGs, read without a scheduler."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from pathlib import Path

import pytest

from support.dagbag import PROBE, ROOT, read_dags

MODELS = ROOT / "tests" / "support" / "models"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return read_dags(ROOT / "include" / "models", tmp_path_factory.mktemp("airflow"))


def test_every_shipped_spec_becomes_a_dag_without_import_errors(shipped: dict) -> None:
    assert shipped["errors"] == {}
    stems = {p.stem for p in (ROOT / "include" / "models").glob("*.yaml")}
    both = {f"{stem}.{what}" for stem in stems for what in ("retrain", "rollback")}
    assert set(shipped["dags"]) == both | {"demo_loss.score", "demo_loss.monitor"}


def chain(dag: dict) -> list[str]:
    """The steps in the order in which they follow one another; empty when they are no chain.

    The trainings of all candidates are one step: each comes after the one before, and before the one after.
    """
    steps: dict[str, list[str]] = {}
    for task in dag["tasks"]:
        steps.setdefault(task.partition(".")[0], []).append(task)
    follow = all(
        set(following) <= set(dag["tasks"][task]["down"])
        for tasks, following in itertools.pairwise(steps.values())
        for task in tasks
    )
    return list(steps) if follow else []


def test_a_dag_is_the_chain_of_steps(shipped: dict) -> None:
    steps = {
        "retrain": ["extract", "train", "nominate", "validate", "promote", "report"], "rollback": ["rollback"],
        "score": ["pin", "score"], "monitor": ["look", "outcomes"],
    }  # fmt: skip
    for name, dag in shipped["dags"].items():
        assert chain(dag) == steps[name.rpartition(".")[2]]


def test_each_candidate_has_a_task_with_the_resources_of_the_spec(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    (models / "broken.yaml").unlink()
    spec = (models / "tiny.yaml").read_text()
    given = spec.replace(
        "training:\n", "training:\n  resources: {queue: training, pool: fits, pool_slots: 2, priority_weight: 7}\n"
    ).replace(
        "    boosting:\n",
        "    boosting:\n      resources: {pod: {memory: 8Gi, cpu: '2', node_selector: {disk: ssd}}}\n",
    )
    assert given.count("resources") == 2
    (models / "tiny.yaml").write_text(given)
    tasks = read_dags(models, tmp_path)["dags"]["tiny.retrain"]["tasks"]
    plain = {"queue": "default", "pool": "default_pool", "pool_slots": 1, "priority_weight": 1, "pod": None}
    assert tasks["train.scorecard"]["resources"] == {
        "queue": "training", "pool": "fits", "pool_slots": 2, "priority_weight": 7, "pod": None
    }  # fmt: skip
    amounts = {"memory": "8Gi", "cpu": "2"}
    container = {"name": "base", "resources": {"limits": amounts, "requests": amounts}}
    pod = {"spec": {"containers": [container], "nodeSelector": {"disk": "ssd"}}}
    assert tasks["train.boosting"]["resources"] == plain | {"pod": pod}
    assert tasks["nominate"]["resources"] == plain


def test_trainings_go_to_the_queue_of_the_installation_where_the_spec_names_none(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    spec = (models / "tiny.yaml").read_text()
    (models / "tiny.yaml").write_text(
        spec.replace("    boosting:\n", "    boosting:\n      resources: {queue: large}\n")
    )
    (models / "broken.yaml").unlink()
    tasks = read_dags(models, tmp_path, TITLEHOLDER_TRAINING_QUEUE="training")["dags"]["tiny.retrain"]["tasks"]
    queues = {name: task["resources"]["queue"] for name, task in tasks.items()}
    assert queues == dict.fromkeys(tasks, "default") | {"train.scorecard": "training", "train.boosting": "large"}


def test_every_task_ends_after_the_time_that_the_spec_gives_it_and_names_no_executor(tmp_path: Path) -> None:
    """Airflow refuses a DAG that names an executor which the configuration of a worker does not list."""
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    (models / "broken.yaml").unlink()
    spec = (models / "tiny.yaml").read_text()
    (models / "tiny.yaml").write_text(f"{spec}\ntimeouts: {{query: 1 minute, task: 5 minutes, train: 2 hours}}\n")
    for name, dag in read_dags(models, tmp_path)["dags"].items():
        if not name.startswith("tiny."):
            continue
        longest = {task: one["longest"] for task, one in dag["tasks"].items()}
        people = {task for task in longest if task.rpartition(".")[2].startswith("approve")}
        training = {"train.scorecard", "train.boosting"} & longest.keys()
        expected = dict.fromkeys(longest, 300.0) | dict.fromkeys(training, 7200.0) | dict.fromkeys(people)
        assert longest == expected, name
        assert {one["executor"] for one in dag["tasks"].values()} == {None}


def test_a_rollback_waits_for_a_person_with_a_reason(shipped: dict) -> None:
    dag = shipped["dags"]["demo_default.rollback"]
    assert dag["schedule"] is None
    assert set(dag["params"]) == {"reason", "to", "leaving", "force"}
    assert dag["params"]["reason"]["minLength"] == 3


PARTS = re.compile(r"\s*(### )?\w.*?\n\n\*\*Promises\.\*\* \w.*?\n\n\*\*When it is red\.\*\* \S", re.DOTALL)
"""The parts of a DAG's or a task's documentation: what it does, what it promises, what to do when it is red."""


def undocumented(dag: dict) -> list[str]:
    """Which of a DAG and its tasks lack a part of their documentation."""
    docs = {"the DAG": dag["doc"], **{name: task["doc"] for name, task in dag["tasks"].items()}}
    return [name for name, doc in docs.items() if not PARTS.match(doc)]


def test_house_rules(shipped: dict) -> None:
    for name, dag in shipped["dags"].items():
        assert dag["catchup"] is False, name
        assert undocumented(dag) == [], name
        assert "titleholder" in dag["tags"], name
        assert dag["owner"] not in ("", "airflow"), name
        for task in dag["tasks"].values():
            assert task["retries"] == 2
            assert task["policy"], name


def test_a_task_links_to_what_it_made_and_to_nothing_else(shipped: dict) -> None:
    run, version, decision = "MLflow run", "Model version", "Decision"
    links = {name: task["links"] for name, task in shipped["dags"]["demo_default.retrain"]["tasks"].items()}
    judged = [run, version]
    assert links == {
        "extract": [run], "train.scorecard": [run], "train.boosting": [run], "nominate": judged, "validate": judged,
        "promote": [*judged, decision], "report": [],
    }  # fmt: skip
    assert shipped["dags"]["demo_default.rollback"]["tasks"]["rollback"]["links"] == [version, decision]


def test_parsing_imports_nothing_heavy(shipped: dict) -> None:
    assert shipped["heavy"] == []


def test_the_form_has_a_field_for_each_candidate(shipped: dict) -> None:
    params = shipped["dags"]["lending_club_default.retrain"]["params"]
    assert list(params) == ["as_of", "lane", "reason", "train_scorecard", "train_boosting"]
    assert params["train_boosting"]["description_md"] == "`sklearn.ensemble.HistGradientBoostingClassifier`"
    assert params["as_of"]["format"] == "date"


def test_a_broken_spec_is_an_import_error_and_leaves_the_others(tmp_path: Path) -> None:
    found = read_dags(MODELS, tmp_path)
    stems = {p.stem for p in MODELS.glob("*.yaml")} - {"broken"}
    both = {f"{stem}.{what}" for stem in stems for what in ("retrain", "rollback")}
    scored = {f"{stem}.{what}" for stem in ("tiny_fed", "tiny_wanted") for what in ("score", "monitor")}
    assert set(found["dags"]) == both | scored
    steps = ["extract", "train", "nominate", "validate", "approve", "promote", "report"]
    assert chain(found["dags"]["tiny_asked.retrain"]) == steps
    assert undocumented(found["dags"]["tiny_asked.retrain"]) == []
    assert chain(found["dags"]["tiny_asked.rollback"]) == ["request", "approve", "rollback"]
    assert undocumented(found["dags"]["tiny_asked.rollback"]) == []
    assert "one of risk-lead, cfo must approve within 1 hour" in found["dags"]["tiny_asked.rollback"]["doc"]
    assert chain(found["dags"]["tiny.rollback"]) == ["rollback"]
    ((file, message),) = found["errors"].items()
    assert file.endswith("broken_specs.py")
    assert "line 11: judgement.minimun_gain: unknown key; did you mean 'minimum_gain'?" in message


ODD = {
    "key": "!!binary YQ==: 1\n",
    "bomb": "a: &a [x, x]\nb: &b [*a, *a]\n",
    "deep": "a: " + "[" * 10_000,
    "latin": "owner: Andr\xe9\n",
}
"""Files that took all models down, or hung the parser."""


def test_odd_files_are_import_errors_of_their_own_and_every_other_model_keeps_its_dags(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("tiny.yaml", "tiny.sql"):
        (models / name).write_text((MODELS / name).read_text())
    for name, text in ODD.items():
        (models / f"{name}.yaml").write_bytes(text.encode("latin-1"))
    (models / "lost.yaml").symlink_to("gone")
    os.mkfifo(models / "pipe.yaml")
    found = read_dags(models, tmp_path)
    assert set(found["dags"]) == {"tiny.retrain", "tiny.rollback"}
    ((file, message),) = found["errors"].items()
    assert file.endswith("broken_specs.py")
    assert [name for name in (*ODD, "lost", "pipe") if f"{name}.yaml" not in message] == []


def test_a_dag_that_cannot_be_built_is_replaced_by_one_that_says_why(tmp_path: Path) -> None:
    fails = """
from titleholder_airflow import retrain
real = retrain.build
def build(spec, *others):
    return real(spec, *others) if spec.name != "tiny" else 1 / 0
retrain.build = build
"""
    found = read_dags(MODELS, tmp_path, fails + PROBE)
    assert {f"{p.stem}.retrain" for p in MODELS.glob("tiny*.yaml")} <= set(found["dags"])
    tiny = found["dags"]["tiny.retrain"]
    assert (list(tiny["tasks"]), tiny["schedule"], tiny["tags"]) == (["refuse"], None, ["broken", "titleholder"])
    assert tiny["doc"] == "    tiny.retrain cannot be built from its spec: ZeroDivisionError: division by zero"
    assert chain(found["dags"]["tiny.rollback"]) == ["rollback"]


def test_a_task_process_builds_only_its_own_dag(tmp_path: Path) -> None:
    for dag_id in ("tiny.retrain", "tiny.rollback"):
        own = PROBE.replace(
            "bag = DagBag", f"import os; os.environ['_AIRFLOW_PARSING_CONTEXT_DAG_ID'] = {dag_id!r}\nbag = DagBag"
        )
        assert set(read_dags(MODELS, tmp_path, own)["dags"]) == {dag_id}


def dag_file(folder: Path, models: str) -> Path:
    """A DAG folder with one file, as a team writes it."""
    folder.mkdir()
    (folder / "models.py").write_text(
        f"from titleholder_airflow import build_dags\n\nbuild_dags(globals(), {models})\n"
    )
    return folder


def test_a_dag_file_names_its_own_models_folder_and_tasks_read_it_there(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("tiny.yaml", "tiny.sql", "broken.yaml"):
        (models / name).write_text((MODELS / name).read_text())
    found = read_dags(tmp_path / "nowhere", tmp_path, dags=dag_file(tmp_path / "dags", f"models={str(models)!r}"))
    assert found["errors"] == {}, "the broken spec is logged, and shown by a file of its own"
    assert set(found["dags"]) == {"tiny.retrain", "tiny.rollback"}
    assert found["dags"]["tiny.retrain"]["tasks"]["extract"]["args"] == ["tiny", str(models)]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("models='/no/such/folder'", "no folder /no/such/folder: it holds the models"),
        (f"models={str(MODELS)!r}", ""),
    ],
)
def test_a_folder_that_does_not_exist_is_an_import_error(tmp_path: Path, models: str, message: str) -> None:
    found = read_dags(MODELS, tmp_path, dags=dag_file(tmp_path / "dags", models))
    (error,) = found["errors"].values() if message else ("",)
    assert message in error
    assert bool(found["dags"]) is not bool(message)


def test_a_folder_of_broken_specs_only_is_an_import_error_of_the_dag_file(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.yaml").write_text((MODELS / "broken.yaml").read_text())
    found = read_dags(models, tmp_path, dags=dag_file(tmp_path / "dags", ""))
    (error,) = found["errors"].values()
    assert "broken.yaml is not a valid model spec" in error


def test_the_plugin_is_registered_once_whether_installed_or_on_the_path(tmp_path: Path) -> None:
    """Airflow lists a second registration among its plugin import errors."""
    probe = """
import importlib.metadata, json, sys
from airflow import plugins_manager
from airflow._shared.plugins_manager.plugins_manager import EntryPointSource
entry = importlib.metadata.EntryPoint("titleholder", "titleholder_airflow.plugin:TitleholderPlugin", "airflow.plugins")
real = importlib.metadata.entry_points
def entries(**wanted):
    others = [e for e in real(**wanted) if e.name != "titleholder"]
    return [*others, entry] if installed else others
importlib.metadata.entry_points = entries
whole = importlib.metadata.distribution
def distribution(name):
    if name == "titleholder" and not installed:
        raise importlib.metadata.PackageNotFoundError(name)
    return whole(name)
importlib.metadata.distribution = distribution
answer = {}
for installed in (False, True):
    found, errors = plugins_manager._load_plugins_from_plugin_directory(plugins_folder=sys.argv[1])
    answer[str(installed)] = [[p.name for p in found], errors]
"""
    assert read_dags(MODELS, tmp_path, probe, ROOT / "plugins") == {
        "False": [["titleholder"], {}],
        "True": [[], {}],
    }


def test_the_actor_of_a_run_is_a_person_or_the_kind_of_run(tmp_path: Path) -> None:
    """It goes into the ledger, where nothing can be corrected."""
    probe = """
import json
from types import SimpleNamespace as Of
from airflow.utils.types import DagRunType
from titleholder_airflow.tasks import actor
runs = [Of(triggering_user_name=who, run_type=kind) for who, kind in
        ((None, DagRunType.SCHEDULED), (None, "backfill"), ("ann", DagRunType.MANUAL))]
answer = {"actors": [actor(run) for run in runs]}
"""
    found = read_dags(MODELS, tmp_path, probe)
    assert found["actors"] == ["airflow:scheduled", "airflow:backfill", "ann"]
