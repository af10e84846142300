"""The DAG `<model>.score`: when it runs, what its form takes, and what its tasks hand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.dagbag import ROOT, read_dags

MODELS = ROOT / "tests" / "support" / "models"
PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def asset_names(condition):
    parts = getattr(condition, "objects", None)
    return {type(condition).__name__: [asset_names(p) for p in parts]} if parts is not None else getattr(condition, "name", None)

bag = DagBag(dag_folder=sys.argv[1])
answer = {"errors": bag.import_errors}
for name, dag in bag.dags.items():
    if name.endswith(".score"):
        kept = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))
        answer[name.removesuffix(".score")] = {
            "timetable": type(kept.timetable).__name__,
            "assets": asset_names(kept.timetable.asset_condition) if hasattr(kept.timetable, "asset_condition") else None,
            "tasks": {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks},
            "outlets": sorted(o.uri for o in dag.get_task("score").outlets),
            "params": list(dag.params), "runs": kept.max_active_runs, "catchup": kept.catchup,
        }
"""
SECTIONS = {
    "by_hand": "",
    "by_clock": ", schedule: '@daily'",
    "by_asset": ", assets: [loaded, checked]",
    "by_champion": ", after_champion: true",
    "by_both": ", assets: [loaded], after_champion: true",
    "by_all": ", schedule: '@daily', assets: [loaded], after_champion: true",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    models = tmp_path_factory.mktemp("models")
    text = (MODELS / "tiny.yaml").read_text()
    for file in ("tiny.sql", "tiny_scoring.sql"):
        (models / file).write_text((MODELS / file).read_text())
    for name, more in SECTIONS.items():
        section = f"scoring: {{query: tiny_scoring.sql, window: 1 day{more}}}\n"
        (models / f"{name}.yaml").write_text(text.replace("name: tiny", f"name: {name}") + section)
    (models / "tiny.yaml").write_text(text)
    return read_dags(models, tmp_path_factory.mktemp("airflow"), PROBE)


def test_only_a_spec_with_the_section_has_one(found: dict) -> None:
    assert found["errors"] == {}
    assert set(found) == {"errors", *SECTIONS}


@pytest.mark.parametrize(
    ("name", "timetable"),
    [
        ("by_hand", "NullTimetable"),
        ("by_clock", "BoundedCronTimetable"),
        ("by_asset", "AssetTriggeredTimetable"),
        ("by_champion", "AssetTriggeredTimetable"),
        ("by_both", "AssetTriggeredTimetable"),
        ("by_all", "AssetOrTimeSchedule"),
    ],
)
def test_it_starts_by_the_clock_by_assets_or_with_a_new_champion(found: dict, name: str, timetable: str) -> None:
    assert found[name]["timetable"] == timetable


def names(condition: object) -> set[str]:
    """Of the assets in a condition, however deep."""
    if isinstance(condition, dict):
        return {name for parts in condition.values() for part in parts for name in names(part)}
    return {str(condition)}


def test_the_assets_are_all_waited_for_and_a_champion_alone_is_enough(found: dict) -> None:
    assert names(found["by_asset"]["assets"]) == {"loaded", "checked"}
    assert names(found["by_champion"]["assets"]) == {"by_champion.champion"}
    for name in ("by_both", "by_all"):
        ((kind, parts),) = found[name]["assets"].items()
        assert "Any" in kind
        assert names(found[name]["assets"]) == {"loaded", f"{name}.champion"}
        assert len(parts) == 2
    ((kind, _),) = found["by_asset"]["assets"].items()
    assert "All" in kind


def test_its_tasks_form_and_assets(found: dict) -> None:
    dag = found["by_clock"]
    assert dag["tasks"] == {"pin": ["score"], "score": []}
    assert dag["outlets"] == ["titleholder://by_clock/scores", "titleholder://by_clock/scores/days"]
    assert dag["params"] == ["as_of", "lane", "reason"]
    assert (dag["runs"], dag["catchup"]) == (4, False)


def test_it_keeps_the_house_rules(tmp_path: Path) -> None:
    dag = read_dags(MODELS, tmp_path)["dags"]["tiny_fed.score"]
    assert "scores the events of the 2 days before the as-of date" in dag["doc"]
    for part in (dag["doc"], *(task["doc"] for task in dag["tasks"].values())):
        assert "**Promises.**" in part
        assert "**When it is red.**" in part
    assert {task["retries"] for task in dag["tasks"].values()} == {2}
    assert all(task["policy"] for task in dag["tasks"].values())
