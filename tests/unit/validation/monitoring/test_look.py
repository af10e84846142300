"""A look from counts by bin: the same evidence as from rows, alarms that ask for persistence and size."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from titleholder.validation.monitoring import look as looking
from titleholder.validation.monitoring.alarms import drift_alarms
from titleholder.validation.monitoring.evidence import e_bh
from titleholder.validation.monitoring.look import History, Kind, Limits, NewRows, ReferenceFeature, level, look
from titleholder.validation.monitoring.report import Drift, FeatureLook
from titleholder.validation.monitoring.summary import alarms

LIMITS = Limits(budget=0.025, in_a_row=2, least=0.1)
DAY = date(2024, 1, 1)


def reference(rng: np.random.Generator, n: int = 2000) -> list[ReferenceFeature]:
    kinds = rng.choice(["rent", "own"], n).astype(object)
    known = frozenset({"rent", "own", "rare"})
    return [
        ReferenceFeature.of("income", "numeric", rng.normal(size=n), rng),
        ReferenceFeature.of("home", "categorical", kinds, rng, known),
        ReferenceFeature.of("score", "score", rng.uniform(size=n), rng),
    ]


def rows(
    features: list[ReferenceFeature], rng: np.random.Generator, n: int = 1000, moved: float = 0.0
) -> list[NewRows]:
    values = [rng.normal(size=n) + moved, rng.choice(["rent", "own"], n).astype(object), rng.uniform(size=n)]
    return [NewRows(tuple(f.places.counts(v).tolist()), {}) for f, v in zip(features, values, strict=True)]


def looks(features: list[ReferenceFeature], batches: list[list[NewRows]], limits: Limits = LIMITS) -> list[Drift]:
    found: list[Drift] = []
    for n, batch in enumerate(batches):
        made = look(features, batch, History.of(found), limits, [7, n])
        dates = {"reference_rows": 2000, "reference_start": DAY, "reference_end": DAY}
        found.append(Drift(budget=limits.budget, level=level(made), looks=n + 1, features=made, **dates))
    return found


def of(name: str, found: list[Drift]) -> list[FeatureLook]:
    return [next(f for f in one.features if f.name == name) for one in found]


def test_it_alarms_where_drift_alarms_would_and_names_the_feature() -> None:
    rng = np.random.default_rng(4)
    features = reference(rng)
    found = looks(features, [rows(features, rng, moved=0.8 * (n >= 3)) for n in range(7)])
    names = [f.name for f in features]
    cells = {name: [f.cells for f in of(name, found)] for name in names}
    sizes = {name: [f.psi.estimate for f in of(name, found)] for name in names}
    expected = drift_alarms(cells, budget=LIMITS.budget, in_a_row=2, sizes=sizes, least=0.1)
    assert [(a.name, a.run) for a in expected] == [("income", 4)]
    assert [f.in_a_row for f in of("income", found)] == [0, 0, 0, 1, 2, 3, 4]
    assert [f.log_evidence for f in of("income", found)][4] == pytest.approx(expected[0].log_evidence)
    assert not any(f.drifted for f in (*of("home", found), *of("score", found)))
    assert found[2].level > LIMITS.budget >= found[3].level


@pytest.mark.parametrize(("name", "kind"), [("income", "numeric"), ("home", "categorical")])
def test_more_missing_values_are_an_alarm_that_says_so(name: str, kind: Kind) -> None:
    """Of the values that are there nothing changes."""
    rng = np.random.default_rng(12)

    def drawn(n: int, missing: float) -> np.ndarray:
        gone = rng.random(n) < missing
        if kind == "numeric":
            return np.where(gone, np.nan, rng.normal(size=n))
        return np.where(gone, None, rng.choice(["rent", "own"], n).astype(object))

    feature = ReferenceFeature.of(name, kind, drawn(4000, 0.05), rng, frozenset({"rent", "own"}))
    shares = (0.05, 0.05, 0.25, 0.25)
    batches = [[NewRows(tuple(feature.places.counts(drawn(1000, share)).tolist()), {})] for share in shares]
    found = looks([feature], batches)
    assert [one.in_a_row for one in of(name, found)] == [0, 0, 1, 2]
    assert [one.missing for one in of(name, found)] == pytest.approx(shares, abs=0.03)
    standing = [alarms(one, None, (), as_of=DAY, in_a_row=2) for one in found]
    assert [len(one) for one in standing] == [0, 0, 0, 1]
    (alarm,) = standing[-1]
    assert (alarm.name, alarm.kind) == (name, "feature")
    assert alarm.sentence.startswith(f"{name} has drifted: the share of 'missing' was ")


def test_a_small_change_is_no_alarm_however_sure() -> None:
    rng = np.random.default_rng(5)
    features = reference(rng, 100_000)
    found = looks(features, [rows(features, rng, n=20_000, moved=0.12) for _ in range(4)])
    income = of("income", found)
    assert income[-1].log_evidence > 20
    assert income[-1].psi.estimate < 0.1
    assert not income[-1].drifted
    careless = looks(
        features, [rows(features, rng, n=20_000, moved=0.12) for _ in range(4)], LIMITS._replace(least=0.0)
    )
    assert of("income", careless)[-1].drifted


def test_what_goes_away_ends_the_row() -> None:
    rng = np.random.default_rng(6)
    features = reference(rng)
    found = looks(features, [rows(features, rng, moved=m) for m in (0.0, 1.0, 1.0, 0.0)])
    assert [f.in_a_row for f in of("income", found)] == [0, 1, 2, 0]


def test_it_is_repeatable_and_depends_on_nothing_but_counts() -> None:
    rng = np.random.default_rng(7)
    features = reference(rng)
    batch = rows(features, rng)
    assert look(features, batch, History(), LIMITS, [1, 2]) == look(features, batch, History(), LIMITS, [1, 2])
    assert look(features, batch, History(), LIMITS, [1, 2]) != look(features, batch, History(), LIMITS, [1, 3])


def test_many_rows_are_counted_whole_and_ranked_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "RANKED", 300)
    rng = np.random.default_rng(8)
    features = reference(rng)
    made = look(features, rows(features, rng, n=5000), History(), LIMITS, [1])
    assert [sum(f.counts) for f in made] == [5000] * 3
    assert [sum(f.cells) for f in made] == [300] * 3


def test_new_categories_are_named_by_frequency_at_most_ten() -> None:
    rng = np.random.default_rng(9)
    features = reference(rng)
    batch = rows(features, rng)
    batch[1] = NewRows((500, 478, 22, 0), {**{f"k{n:02}": 1 for n in range(12)}, "boat": 10})
    home = look(features, batch, History(), LIMITS, [1])[1]
    assert [(u.name, u.rows) for u in home.unseen[:2]] == [("boat", 10), ("k00", 1)]
    assert (len(home.unseen), home.unseen_rows) == (10, 22)


def test_the_level_is_the_smallest_budget_of_e_bh() -> None:
    rng = np.random.default_rng(10)
    features = reference(rng)
    made = look(features, rows(features, rng, moved=0.5), History(), LIMITS, [1])
    logs = np.array([f.log_e for f in made])
    found = level(made)
    assert 0 < found < 1
    assert e_bh(logs, found * 1.0001).any()
    assert not e_bh(logs, found * 0.9999).any()


def test_half_of_the_reference_cuts_the_bins_and_the_other_is_counted() -> None:
    rng = np.random.default_rng(11)
    made = ReferenceFeature.of("income", "numeric", np.append(rng.normal(size=999), np.nan), rng)
    assert sum(made.counts) == 500
    assert len(made.bins.edges) >= 9
    empty = ReferenceFeature.of("income", "numeric", np.full(4, np.nan), rng)
    assert empty.counts == (0, 2)
