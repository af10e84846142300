"""What nothing references may go; what a decision, open work, a witness or a stranger needs stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from titleholder.ledger.store import References
from titleholder.registry.runs import RunRecord
from titleholder.workflow.garbage.unreferenced import (
    LANE_DELETED,
    NOT_CHOSEN,
    SUPERSEDED,
    UNDECIDED,
    UNFINISHED,
    UNKNOWN,
    Known,
    OwnFile,
    Unreferenced,
    own_file,
    unreferenced,
)

NOW, OLD, YOUNG = 1000.0, 10.0, 900.0
BEFORE = 500.0


def sha(letter: str) -> str:
    return letter * 64


def a_run(run_id: str, *, status: str = "FINISHED", at: float = OLD, snapshot: str = "", **tags: str) -> RunRecord:
    """A run, nested in `parent` if one is given."""
    parent = tags.pop("parent", "")
    named = {f"titleholder.{name}": value for name, value in {"key": run_id, "lane": "live", **tags}.items() if value}
    return RunRecord(run_id, parent, status, at, named, {"snapshot_sha256": snapshot} if snapshot else {})


def a_month(name: str, snapshot: str, **more: Any) -> list[RunRecord]:
    """The run of a month and those of its candidates: the first was nominated."""
    others = {key: value for key, value in more.items() if key != "decision"}
    parent = a_run(name, snapshot=snapshot, **more)
    return [parent, *(a_run(f"{name}-{c}", parent=name, **others) for c in ("best", "other"))]


def a_version(number: int, run_id: str, *, at: float = OLD, **tags: str) -> ModelVersion:
    named = {f"titleholder.{name}": value for name, value in {"key": run_id, "lane": "live", **tags}.items() if value}
    return ModelVersion(
        "loans",
        str(number),
        int(at * 1000),
        last_updated_timestamp=int(at * 1000),
        run_id=run_id,
        tags=[ModelVersionTag(key, value) for key, value in named.items()],
    )


def decided(version: int, month: str, snapshot: str, decision: str = "1") -> References:
    return References({decision}, {version: {month, f"{month}-best"}}, {snapshot})


def found(
    runs: list[RunRecord],
    versions: list[ModelVersion] | None = None,
    lanes: Mapping[str, References] | None = None,
    *,
    aliased: set[int] | None = None,
    deleted: set[str] | None = None,
) -> Unreferenced:
    return unreferenced(Known(runs, versions or [], aliased or set(), lanes or {}, deleted or set()), BEFORE)


def test_a_decided_month_keeps_its_run_its_challenger_and_its_snapshot() -> None:
    one = found(
        a_month("jan", sha("a"), decision="1"), [a_version(1, "jan-best", decision="1")],
        {"live": decided(1, "jan", sha("a"))},
    )  # fmt: skip
    assert one.versions == {}
    assert one.runs == {"jan-other": NOT_CHOSEN}
    assert one.kept_runs >= {"jan", "jan-best"}
    assert one.snapshots == {sha("a")}


def test_a_version_that_was_judged_before_the_challenger_keeps_the_run_that_trained_it() -> None:
    """The ledger names it without its run: `reproduce` judges it again."""
    lanes = {"live": References({"1"}, {1: {"jan", "jan-best"}, 2: {"jan"}}, {sha("a")})}
    versions = [a_version(1, "jan-best"), a_version(2, "jan-other")]
    assert found(a_month("jan", sha("a")), versions, lanes).runs == {}
    assert found(a_month("jan", sha("a")), versions, lanes).versions == {}


def test_what_was_never_decided_goes_with_its_version_and_its_snapshot() -> None:
    one = found([*a_month("feb", sha("b"), status="FAILED"), a_run("mar", status="FAILED")], [a_version(2, "feb-best")])
    assert one.versions == {2: UNDECIDED}
    assert one.runs == dict.fromkeys(["feb", "feb-best", "feb-other", "mar"], UNDECIDED)
    assert one.snapshots == set()
    assert one.others == {sha("b"): UNDECIDED}


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_open_run_keeps_all_of_its_month(status: str, which: int) -> None:
    """A question may wait for weeks, and a task that was cleared finds what was made before."""
    runs = a_month("feb", sha("b"), status="FAILED")
    runs[which] = runs[which]._replace(status=status)
    one = found(runs, [a_version(2, "feb-best")])
    assert (one.versions, one.runs, one.snapshots) == ({}, {}, {sha("b")})


@pytest.mark.parametrize("which", [0, 1, 2])
def test_so_does_a_young_one(which: int) -> None:
    runs = a_month("feb", sha("b"), status="FAILED")
    runs[which] = runs[which]._replace(changed_at=YOUNG)
    one = found(runs, [a_version(2, "feb-best")])
    assert (one.versions, one.runs, one.snapshots) == ({}, {}, {sha("b")})


def test_a_young_version_keeps_its_run() -> None:
    one = found(a_month("feb", sha("b"), status="FAILED"), [a_version(2, "feb-best", at=YOUNG)])
    assert (one.versions, one.runs) == ({}, {})


def test_a_version_with_an_alias_keeps_its_month() -> None:
    one = found(a_month("feb", sha("b"), status="FAILED"), [a_version(2, "feb-best")], aliased={2})
    assert (one.versions, one.runs, one.snapshots) == ({}, {}, {sha("b")})


def test_what_titleholder_did_not_make_stays() -> None:
    runs, version = [a_run("theirs", key="")], a_version(7, "theirs", key="")
    one = found(runs, [version])
    assert (one.versions, one.runs) == ({}, {})


def test_a_witness_of_a_decision_that_the_ledger_lost_stays_with_its_month() -> None:
    """A ledger restored from an older backup knows nothing of the newest decisions; these can still be restored."""
    one = found(a_month("jan", sha("a"), decision="9"), [a_version(1, "jan-best", decision="9")])
    assert (one.versions, one.runs, one.snapshots) == ({}, {}, {sha("a")})
    runs = a_month("jan", sha("a"), status="FAILED")
    by_version = found(runs, [a_version(1, "jan-best", decision="9")])
    assert (by_version.versions, by_version.runs, by_version.snapshots) == ({}, {}, {sha("a")})
    by_run = found(
        [runs[0]._replace(tags={**runs[0].tags, "titleholder.decision": "9"}), *runs[1:]],
        [version := a_version(1, "jan-best")],
    )
    assert (by_run.versions, by_run.runs, by_run.snapshots) == ({}, {}, {sha("a")})
    before_its_report = found([runs[0]._replace(status="FINISHED"), *runs[1:]], [version])
    assert before_its_report == by_run, "a run finishes when its decision is written"


def test_a_deleted_lane_leaves_nothing_but_what_another_lane_uses() -> None:
    lanes = {"try": decided(1, "jan", sha("a"), "1"), "live": decided(2, "feb", sha("b"), "2")}
    runs = [*a_month("jan", sha("a"), lane="try", decision="1"), *a_month("feb", sha("b"), decision="2")]
    versions = [a_version(1, "jan-best", lane="try", decision="1"), a_version(2, "feb-best", decision="2")]
    one = found(runs, versions, lanes, deleted={"try"})
    assert one.versions == {1: LANE_DELETED}
    assert one.runs == {**dict.fromkeys(["jan", "jan-best", "jan-other"], LANE_DELETED), "feb-other": NOT_CHOSEN}
    assert (one.snapshots, one.others) == ({sha("b")}, {sha("a"): LANE_DELETED})
    shared = {**lanes, "live": References({"2"}, {1: {"jan", "jan-best"}}, {sha("a")})}
    one = found(runs[:3], versions[:1], shared, deleted={"try"})
    assert (one.versions, one.runs, one.snapshots) == ({}, {"jan-other": NOT_CHOSEN}, {sha("a")})


def test_reports_of_backtests_stay_and_only_the_newest_of_a_lane_keeps_its_rows() -> None:
    reports = [
        a_run("first", kind="backtest", outcomes_sha256=sha("a"), at=1),
        a_run("second", kind="backtest", outcomes_sha256=sha("b"), at=2),
        a_run("other", kind="backtest", outcomes_sha256=sha("c"), lane="try", at=1),
        a_run("gone", kind="backtest", outcomes_sha256=sha("d"), lane="gone", at=3),
    ]
    one = found(reports, deleted={"gone"})
    assert one.runs == {"gone": LANE_DELETED}
    assert one.snapshots == {sha("b"), sha("c")}
    assert one.others[sha("a")] == SUPERSEDED


def test_only_what_two_readings_agree_on_may_go() -> None:
    """Between them a cleared task went on."""
    runs, versions = a_month("feb", sha("b"), status="FAILED"), [a_version(2, "feb-best")]
    first = found([*runs, a_run("mar", status="KILLED")], versions)
    second = found([runs[0]._replace(status="RUNNING"), *runs[1:], a_run("mar", status="KILLED")], versions)
    assert first.both(second) == second.both(first)._replace(others=first.others)
    agreed = first.both(second)
    assert (agreed.versions, agreed.runs, agreed.snapshots) == ({}, {"mar": UNDECIDED}, {sha("b")})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"loans/2024-03-01/{sha('a')}.parquet", OwnFile("snapshots", "loans", sha("a"))),
        (f"scores/loans/r1/{sha('a')}.parquet", OwnFile("scores", "loans", sha("a"), "r1")),
        (f"scores/loans/r1-refit/{sha('a')}.training.parquet", OwnFile("scores", "loans", sha("a"), "r1-refit")),
        (f"scores/loans/r1/{sha('a')}.folds.parquet", OwnFile("scores", "loans", sha("a"), "r1")),
        (f"scores/2024-03-01/{sha('a')}.parquet", OwnFile("snapshots", "scores", sha("a"))),
        ("loans/2024-03-01/0a.part", OwnFile("unfinished files", "loans")),
        ("scores/loans/r1/0a.part", OwnFile("unfinished files", "loans")),
        (f"loans/2024-03-01/{sha('a')}.parquet.bak", None),
        (f"loans/march/{sha('a')}.parquet", None),
        (f"backup/loans/2024-03-01/{sha('a')}.parquet", None),
        (f"loans/2024-03-01/{'a' * 63}.parquet", None),
        ("notes.part", None),
    ],
)
def test_a_path_says_what_a_file_is(path: str, expected: OwnFile | None) -> None:
    assert own_file(path) == expected


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (OwnFile("snapshots", "loans", sha("a")), ""),
        (OwnFile("snapshots", "loans", sha("b")), LANE_DELETED),
        (OwnFile("snapshots", "loans", sha("c")), UNKNOWN),
        (OwnFile("scores", "loans", sha("a"), "kept"), ""),
        (OwnFile("scores", "loans", sha("a"), "kept-refit"), ""),
        (OwnFile("scores", "loans", sha("a"), "gone"), NOT_CHOSEN),
        (OwnFile("scores", "loans", sha("a"), "gone-refit"), NOT_CHOSEN),
        (OwnFile("scores", "loans", sha("a"), "never-seen"), UNKNOWN),
        (OwnFile("scores", "loans", sha("a"), "benchmark-1f"), ""),
        (OwnFile("scores", "loans", sha("b"), "kept"), LANE_DELETED),
        (OwnFile("scores", "loans", sha("b"), "benchmark-1f"), LANE_DELETED),
        (OwnFile("unfinished files", "loans"), UNFINISHED),
    ],
)
def test_a_file_goes_with_its_snapshot_or_with_the_run_whose_scores_it_has(own: OwnFile, why: str) -> None:
    known = Unreferenced({}, {"gone": NOT_CHOSEN}, {"kept"}, {sha("a")}, {sha("b"): LANE_DELETED})
    assert own.why_unneeded(known) == why
