"""Candidates as challengers: the best first, and the next one only where a failure is the candidate's own."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from support.factories import a_nominee, a_spec, a_verdict, result, spans_of
from titleholder.validation.evidence import UnfitCandidate
from titleholder.workflow import nomination
from titleholder.workflow.payloads import Challenger, Origin, Snapshot

RANKING = tuple(a_nominee(name, f"run-{name}") for name in ("trees", "line"))


class Versions:
    """Model versions by key, and the tags that were set."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.tags: dict[int, str] = {}
        self.sources: list[str] = []
        self.registered: dict[str, str] = {}
        self.described = ""

    def find(self, _: str, key: str, source: str) -> int | None:
        found = self.keys.index(key) if key in self.keys else None
        return None if found is None or self.sources[found] != source else found + 1

    def register(self, model: str, key: str, source: str, run: str, tags: dict[str, str], described: str) -> int:
        self.registered, self.described = tags, described
        if key not in self.keys:
            self.keys.append(key)
            self.sources.append(source)
        return self.keys.index(key) + 1

    def set_tags(self, _: str, version: int, tags: dict[str, str]) -> None:
        self.tags[version] = tags["titleholder.verdict"]


def a_registry() -> Any:
    return SimpleNamespace(models=Versions(), runs=SimpleNamespace(annotate=lambda *_, **__: None))


def a_snapshot(**changes: Any) -> Snapshot:
    spec, as_of = a_spec(**changes), date(2024, 7, 1)
    return Snapshot(
        spec=spec, lane="live", as_of=as_of, spans=spans_of(spec, as_of), candidates=tuple(spec.training.candidates),
        uri="/s/x.parquet", sha256="ab", rows=9, key="k", run_id="r", origin=Origin(actor="ann"),
    )  # fmt: skip


def first(registry: Any) -> Challenger:
    return nomination.register(a_snapshot(), RANKING, (), registry)


def test_a_version_says_what_it_was_trained_on_and_by_what_it_is_judged() -> None:
    registry = a_registry()
    nomination.register(a_snapshot(), RANKING, (), registry)
    assert registry.models.described == "trees as of 2024-07-01 (live), trained on rows before 2023-10-01."
    assert "titleholder.refitted_through" not in registry.models.registered
    nomination.register(a_snapshot(windows__refit="all_matured"), RANKING, (), registry)
    assert "refitted on rows before 2024-01-01, and judged before the refit," in registry.models.described
    tags = registry.models.registered
    assert tags["titleholder.trained_through"] == "2023-10-01"
    assert tags["titleholder.refitted_through"] == "2024-01-01"


UNFIT = a_verdict(result("TH101"), result("TH203", "fail"), result("TH301", "fail"))


def test_the_best_is_registered_and_only_the_best() -> None:
    registry = a_registry()
    challenger = first(registry)
    assert (challenger.name, challenger.nominee.run_id, challenger.version, challenger.unfit) == (
        "trees",
        "run-trees",
        1,
        (),
    )
    assert registry.models.sources == ["models:/trees"]
    assert first(registry) == challenger
    assert list(nomination.versions(challenger, registry)) == [1]


def test_one_that_is_unfit_gives_way_to_the_next_which_knows_of_it() -> None:
    registry = a_registry()
    challenger = first(registry)
    found = nomination.following(challenger, UNFIT, registry)
    assert found is not None
    assert (found.name, found.nominee.run_id, found.version) == ("line", "run-line", 2)
    assert found.unfit == (UnfitCandidate(name="trees", version=1, failed=("TH203",)),)
    assert registry.models.tags == {1: "unfit"}
    assert nomination.following(challenger, UNFIT, registry) == found
    assert list(nomination.versions(challenger, registry)) == [1, 2]
    assert challenger.at(2, a_verdict(unfit=found.unfit)) == found
    assert challenger.at(1, a_verdict()) == challenger


def test_nobody_comes_after_the_last() -> None:
    registry = a_registry()
    second = nomination.following(first(registry), UNFIT, registry)
    assert second is not None
    assert nomination.following(second, UNFIT, registry) is None


@pytest.mark.parametrize(
    "checks",
    [
        (result("TH203"),),
        (result("TH301", "fail"), result("TH302", "fail")),
        (result("TH203", "fail", severity="warn"),),
        (result("TH101", "fail"), result("TH201", "fail")),
        (result("TH501", "fail"),),
        (result("TH203", "fail"), result("TH502", "fail")),
    ],
    ids=["fit", "not better", "warned only", "too few outcomes", "too good", "a leak"],
)
def test_no_other_is_judged_where_the_failure_is_not_the_candidates_own(checks: tuple[Any, ...]) -> None:
    registry = a_registry()
    assert nomination.following(first(registry), a_verdict(*checks), registry) is None
    assert (registry.models.keys[1:], registry.models.tags) == ([], {})


@pytest.mark.parametrize(
    ("one", "other", "wins"),
    [
        ("TH203", "", "line"),  # the next is fit
        ("TH203", "TH203", "trees"),  # a champion may be as far off as either: the better one is judged beside it
        ("TH701", "TH203", "line"),
        ("TH203", "TH701", "trees"),
        ("TH701", "TH701", "line"),  # nothing excuses either
    ],
)
def test_where_none_is_fit_the_best_that_a_champion_may_excuse_stays(one: str, other: str, wins: str) -> None:
    registry = a_registry()
    nominee = first(registry)
    following = nomination.following(nominee, a_verdict(result(one, "fail")), registry)
    assert following is not None
    failed = (other,) if other else ()
    found = nomination.best([nomination.Judged(nominee, (one,)), nomination.Judged(following, failed)], registry)
    assert found.name == wins
    others = [*found.unfit, *found.also_unfit]
    assert [u.name for u in others] == (["trees"] if wins == "line" else ["line"])
    assert registry.models.tags == ({1: "unfit"} if wins == "line" else {1: "pending", 2: "unfit"})
    assert nominee.at(found.version, a_verdict(unfit=found.unfit, also_unfit=found.also_unfit)) == found


def test_other_candidates_make_another_version() -> None:
    registry = a_registry()
    alone = nomination.register(a_snapshot(), RANKING[1:], (), registry)
    second = nomination.following(first(registry), UNFIT, registry)
    assert second is not None
    assert alone.name == second.name == "line"
    assert len({alone.version, second.version}) == 2
