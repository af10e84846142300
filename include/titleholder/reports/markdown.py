"""The decision as Markdown: an approval request's body and the note of an MLflow run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from titleholder.formatting import (
    NOTHING,
    between,
    confidence,
    date_range,
    evidence,
    exact,
    number,
    probability,
    scale,
    signed,
)
from titleholder.plain_text import link
from titleholder.plain_text import markdown as text
from titleholder.reports.check_results import result_counts, result_groups
from titleholder.reports.facts import Facts, headline, safe_links
from titleholder.reports.plots.sequential import counted_looks, cumulative_looks
from titleholder.reports.plots.windows import time_windows
from titleholder.spec.metrics import METRICS
from titleholder.validation.verdict import Verdict


def markdown(facts: Facts, verdict: Verdict) -> str:
    """The decision and its reason in the first two lines, then the checks (failed first), the evidence and its origin.

    Every name and text from people or data is escaped: it cannot break a table or become markup.
    """
    parts = (_head(facts, verdict), _checks(verdict), _evidence(verdict), _metrics(verdict), _origin(facts, verdict))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(facts: Facts, verdict: Verdict) -> Iterator[str]:
    yield f"## {text(headline(facts, verdict))}"
    yield f"**Why:** {text(facts.reason)}"
    yield ""
    opponent = f"against version {verdict.champion.version}" if verdict.champion else "without a champion"
    events = f" ({verdict.events:,} events)" if METRICS[verdict.metric].task == "classification" else ""
    span = date_range(verdict.holdout_start, verdict.holdout_end)
    yield text(f"Judged on {verdict.rows:,} rows{events} from {span}, {opponent}. {verdict.note}")
    if gain := verdict.gain:
        like = scale(gain.values)
        yield text(
            f"Gain in {verdict.metric}: {signed(gain.estimate, like)}, {confidence(verdict.confidence)} interval "
            f"{between(gain.lower, gain.upper, like, '+')} ({gain.method})."
        )
    if outlook := verdict.outlook:
        thin = outlook.thin("events" if events else "rows")
        yield text(
            f"Expected gain in use, on the record of {outlook.versions} versions and {outlook.cohorts} cohorts: "
            f"{signed(outlook.challenger.gain)}; probability of losing more than {number(outlook.tolerated_loss)}: "
            f"{probability(outlook.challenger.risk)}{f' ({thin})' if thin else ''}."
        )
    if recall := verdict.recall:
        unfit = ", ".join(result.code for result in recall.failed)
        yield text(
            f"Expected gain in use of version {recall.version}, of {recall.as_of}, over the champion: "
            f"{signed(recall.gain)}{f'; not fit for use now ({unfit})' if unfit else ''}."
        )
    notes = (facts.delay_note, facts.refit_note, *facts.remarks)
    yield from (text(note) for note in notes if note)
    asked = f" {facts.asked_because}." if facts.asked_because else ""
    yield text(f"Model of {facts.owner}; run by {facts.actor}.{asked}")


def _checks(verdict: Verdict) -> Iterator[str]:
    yield from ("", f"### Checks: {result_counts(verdict.checks)}", "")
    rows = (
        [
            f"**{group.word.upper()}**" if group.tone in ("bad", "warn") else group.word,
            text(f"{r.code} {r.title}"),
            text(r.explained),
        ]
        for group in result_groups(verdict.checks)
        for r in group.results
    )
    yield from _table(["result", "check", "finding"], rows)


def _evidence(verdict: Verdict) -> Iterator[str]:
    """The evidence of the reign where it decides, under the rule `sequential`."""
    looks, reign = cumulative_looks(verdict), verdict.accumulated()
    if reign is None or verdict.rule != "sequential":
        return
    like = scale([reign.gain, reign.lower])
    yield from ("", "### Evidence of the reign", "")
    yield text(
        f"Over {counted_looks(verdict)} (since {reign.since}) the mean gain is {signed(reign.gain, like)}, shown to be "
        f"above {signed(reign.lower, like)} ({confidence(verdict.confidence)} always-valid bound; "
        f"the minimum gain is {exact(verdict.minimum_gain)}). "
        f"Evidence {evidence(reign.log_evidence)}, needed {evidence(reign.needed)}."
    )
    yield ""
    rows = (
        [
            str(s.look.as_of),
            date_range(s.look.start, s.look.end),
            f"{s.look.events:,}",
            signed(s.look.gain, like),
            between(s.gain.lower, s.gain.upper, like, "+"),
        ]
        for s in looks
    )
    events = "events" if METRICS[verdict.metric].task == "classification" else "rows"
    yield from _table(["as of", "cohorts", events, "gain", "interval"], rows)


def _metrics(verdict: Verdict) -> Iterator[str]:
    yield from ("", "### Metrics on the judged rows", "")
    if not verdict.challenger_metrics:
        yield "Nothing could be measured."
        return
    recall = verdict.recall
    rows = (
        [
            f"**{name}**" if name == verdict.metric else text(name),
            number(value),
            _champion_metric(verdict, name),
            *([number(recall.metrics_here.get(name))] if recall else []),
            "more" if METRICS[name].greater_is_better else "less",
        ]
        for name, value in verdict.challenger_metrics.items()
    )
    former = [f"version {recall.version}"] if recall else []
    yield from _table(["metric", "challenger", "champion", *former, "better is"], rows)


def _champion_metric(verdict: Verdict, name: str) -> str:
    return number(verdict.champion_metrics[name]) if name in verdict.champion_metrics else NOTHING


def _origin(facts: Facts, verdict: Verdict) -> Iterator[str]:
    yield from ("", "### Data windows", "")
    yield from _table(["window", "dates"], ([w.name, w.dates] for w in time_windows(facts, verdict)))
    yield from ("", "### Lineage", "")
    yield from _table(["what", "value"], ([text(k), text(v)] for k, v in facts.lineage.items()))
    yield ""
    yield from (f"- {link(label, url)}" for label, url in safe_links(facts).items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
