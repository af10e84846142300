"""What scoring runs say of the judged rows: the scores and the features that were there before the outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from titleholder import formatting
from titleholder.data.skew import ColumnSkew
from titleholder.validation import metrics
from titleholder.validation.checks.base import Check, Finding, found, not_applicable
from titleholder.validation.evidence import Evidence, informative, measurable
from titleholder.validation.metrics import Estimation, Gain
from titleholder.validation.sealed import SealedEvidence, SealedScores

SHOWN = 3
"""So many columns or versions are named in a sentence."""


def _sealed_scores(evidence: Evidence) -> Finding:
    """Fails when sealed scores are not what the models answer now, in more than a share of the rows, or flatters."""
    sealed, rule = evidence.sealed() if evidence.sealed else None, evidence.spec.judgement.checks.sealed_scores
    if sealed is None or not (sealed.versions or sealed.changed):
        return not_applicable(_nothing_sealed(sealed))
    if sealed.changed:
        runs = ", ".join(map(str, sealed.changed))
        return found(True, f"The ledger has other scores than scoring run {runs} wrote.", {}, remedy=AUDIT)
    rows, differing = sum(len(v.rows) for v in sealed.versions), sum(v.differing for v in sealed.versions)
    gain, ahead = _difference(evidence, sealed.versions[0]), dict(_ahead(evidence, sealed))
    said = (
        _counted(evidence, sealed),
        _differing(differing, rows, max(v.largest for v in sealed.versions)),
        *([_compared(evidence, sealed.versions[0], gain)] if gain else []),
        *(_gain_said(version, gain, _base(evidence, sealed)) for version, gain in list(ahead.items())[:SHOWN]),
    )
    flattered = gain is not None and gain.lower > rule.gain
    numbers = {"scores": float(rows), "differing": float(differing), **_numbers(evidence, sealed, gain, ahead)}
    return found(differing > rule.share * rows or flattered, f"{'; '.join(said)}.", numbers, beyond=differing > 0)


def _numbers(
    evidence: Evidence, sealed: SealedEvidence, difference: Gain | None, ahead: Mapping[int, Gain]
) -> dict[str, float]:
    numbers = {"rows": float(len(evidence.y)), "largest": max(one.largest for one in sealed.versions)}
    numbers["latest_days"] = max(one.latest for one in sealed.versions)
    numbers |= {f"sealed_rows_of_version_{one.version}": float(len(one.rows)) for one in sealed.versions}
    gains = {f"sealed_gain_of_version_{version}": gain for version, gain in ahead.items()}
    for name, gain in ({"difference": difference} | gains if difference else gains).items():
        numbers |= {name: gain.estimate, f"{name}_lower": gain.lower, f"{name}_upper": gain.upper}
    return numbers


def _nothing_sealed(sealed: SealedEvidence | None) -> str:
    said = "No score of the judged rows was written before their outcomes could be known"
    if sealed is None or sealed.soonest is None:
        return f"{said}."
    return f"{said}: the soonest outcome came {sealed.soonest:.3g} days after its event."


def _counted(evidence: Evidence, sealed: SealedEvidence) -> str:
    of = ", ".join(f"{len(one.rows):,} by version {one.version}" for one in sealed.versions)
    latest = max(one.latest for one in sealed.versions)
    return (
        f"Of {len(evidence.y):,} judged rows were scored before their outcomes could be known, at most {latest:.1f} "
        f"days after the event: {of}"
    )


def _differing(differing: int, rows: int, largest: float) -> str:
    if not differing:
        return "each of these scores is what its version answers for the row now"
    said = f"{differing:,} of these {rows:,} scores are not what their version answers now"
    return f"{said}, with a largest difference of {largest:.3g}"


def _compared(evidence: Evidence, of: SealedScores, gain: Gain) -> str:
    """A version's metric by both kinds of score, on the same rows."""
    judgement, sample = evidence.spec.judgement, evidence.sample.at(of.rows)
    was, now = (
        metrics.compute(judgement.metric, sample.y, scores, judgement, sample.weights)
        for scores in (of.sealed, of.again)
    )
    return (
        f"{formatting.metric(judgement.metric)} of version {of.version} on them: {was:.4f} by the sealed scores, "
        f"{now:.4f} computed again, where today's features gain {gain.estimate:+.4f} [{gain.lower:+.4f}, "
        f"{gain.upper:+.4f}]"
    )


def _difference(evidence: Evidence, of: SealedScores) -> Gain | None:
    """How much better the scores computed again are than the sealed ones, by the deciding metric; None without any."""
    spec, y = evidence.spec, evidence.y[of.rows]
    if not measurable(spec, y) or informative(spec, y) < 2 or not of.differing:
        return None
    sample, how = evidence.sample.at(of.rows), Estimation.of(spec, spec.judgement.confidence)
    return metrics.gain(spec.judgement.metric, sample, of.again, of.sealed, how)


def _ahead(evidence: Evidence, sealed: SealedEvidence) -> Iterator[tuple[int, Gain]]:
    """How far others are ahead of the champion, or else the first one of the time, by sealed scores alone.

    On the rows that both have.
    """
    champion, *others = sealed.versions
    if champion.version != evidence.champion_version and not champion.reigned:
        return
    spec, how = evidence.spec, Estimation.of(evidence.spec, evidence.spec.judgement.confidence)
    for other in others:
        rows, own, theirs = np.intersect1d(other.rows, champion.rows, assume_unique=True, return_indices=True)
        if measurable(spec, evidence.y[rows]) and informative(spec, evidence.y[rows]) > 1:
            scores = other.sealed[own], champion.sealed[theirs]
            yield other.version, metrics.gain(spec.judgement.metric, evidence.sample.at(rows), *scores, how)


def _base(evidence: Evidence, sealed: SealedEvidence) -> str:
    """Whom `_ahead` compares with."""
    version = sealed.versions[0].version
    return "the champion" if version == evidence.champion_version else f"version {version}, the champion of that time"


def _gain_said(version: int, gain: Gain, base: str) -> str:
    bounds = f"[{gain.lower:+.4f}, {gain.upper:+.4f}]"
    return f"by sealed scores alone version {version} gains {gain.estimate:+.4f} {bounds} on {base}"


def _skew(evidence: Evidence) -> Finding:
    """Fails when a feature was another when the rows were scored, in more than a share of them."""
    skew, rule = evidence.skew() if evidence.skew else None, evidence.spec.judgement.checks.skew
    if skew is None or not skew.matched:
        said = "No scoring run before the as-of date scored rows that the snapshot has."
        return not_applicable(f"{said} {skew.strangers if skew else ''}".rstrip())
    worst = skew.beyond(0.0)
    numbers = {"runs": float(skew.runs), "rows": float(skew.matched), "columns": float(len(worst))}
    numbers |= {f"share_{column.column}": column.share for column in worst[:SHOWN]}
    said = f"{skew.matched:,} rows of the snapshot were scored before, by {skew.runs} runs"
    left = f" ({skew.unread} more were not read)" if skew.unread else ""
    if not worst:
        return found(False, f"{said}{left}: every feature was the same.", numbers)
    more = f" and {len(worst) - SHOWN} more" if len(worst) > SHOWN else ""
    explanation = f"{said}{left}; another value then had {'; '.join(map(described, worst[:SHOWN]))}{more}."
    return found(bool(skew.beyond(rule.share)), explanation, numbers, beyond=True)


def described(column: ColumnSkew) -> str:
    """A clause about a column that differs, with an example."""
    share = f"{column.column} in {column.share:.2%} of the rows"
    if (example := column.example) is None:
        return share
    then, now = (value or "a gap" for value in (example.at_scoring, example.in_training))
    return f"{share} (entity {example.entity}: {then} at scoring, {now} in training)"


AUDIT = "See titleholder audit."
sealed_scores = Check(
    "TH801",
    "Sealed scores confirmed",
    _sealed_scores,
    "sealed_scores",
    subject="comparison",
    depends_on="reign",
    remedy="The features have changed since the rows were scored, by a leak or by skew: TH802 says which did.",
)
skewed_features = Check(
    "TH802",
    "Features as at scoring",
    _skew,
    "skew",
    depends_on="rows",
    remedy="Let both queries compute these features alike, as of the event: see docs/skew.md.",
)
