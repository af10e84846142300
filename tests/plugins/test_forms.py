"""The forms: what they offer, what Airflow refuses, and what the fields become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support import apart

PRELUDE = """
from datetime import UTC, date, datetime
from types import SimpleNamespace as Of
from airflow.sdk.definitions.param import ParamsDict
from airflow.serialization.definitions.param import SerializedParam, SerializedParamsDict
from titleholder_airflow import forms
from titleholder.ledger.queries import ReignRecord
from titleholder.errors import UsageError

ESTIMATORS = {"line": "sklearn.linear_model.LogisticRegression", "trees": "a.Forest"}
SPEC = Of(name="m", start_date=date(2024, 1, 1), end_date=None,
          training=Of(candidates={name: Of(estimator=e) for name, e in ESTIMATORS.items()}))

def reign(version, begin, end, kind="promote", as_of=date(2023, 12, 1)):
    day = lambda month: datetime(2024, month, 1, tzinfo=UTC) if month else None
    return ReignRecord(version, day(begin), day(end), begin, kind, as_of, "ann", None, "because")

def refused(form, conf):
    try:
        ParamsDict({**form}).update(conf)
        parsed = ParamsDict({**form}); parsed.update(conf); parsed.validate()
    except Exception as error:
        sdk = str(error).splitlines()[0]
    else:
        sdk = ""
    served = SerializedParamsDict({k: SerializedParam(p.value, p.description, **p.schema) for k, p in form.items()})
    try:
        served.deep_merge(conf).validate()
    except Exception as error:
        assert sdk, error
        return str(error).splitlines()[0]
    assert not sdk, sdk
    return ""

def chosen(conf):
    try:
        return forms.candidates(SPEC, {**{k: p.value for k, p in forms.retrain(SPEC).items()}, **conf})
    except UsageError as error:
        return str(error)

reigns = [reign(2, 1, 3), reign(4, 3, 5, as_of=date(2024, 2, 1)), reign(2, 5, 6, "rollback"), reign(7, 6, None)]
retrain, plain, known = forms.retrain(SPEC), forms.rollback(None), forms.rollback(reigns)
CONFS = [{}, {"train_line": False}, {"train_line": False, "train_trees": False}]

def unknown(conf, form=retrain):
    try:
        return forms.refuse_unknown(conf, form)
    except UsageError as error:
        return str(error)

def lane(as_of, lane):
    return forms.lane({"as_of": as_of, "lane": lane}, backfill=False)

def in_backfill(as_of, lane):
    values = {"as_of": as_of, "lane": lane}
    try:
        forms.refuse_in_backfill(values)
        return forms.lane(values, backfill=True)
    except UsageError as error:
        return str(error)

ended = Of(**{**vars(SPEC), "end_date": date(2025, 6, 1)})
answer = {
    "retrain": {k: [p.value, p.schema] for k, p in retrain.items()},
    "empty": {k: p.schema["type"] for f in (retrain, plain) for k, p in f.items() if not p.has_value},
    "chosen": [chosen(conf) for conf in CONFS],
    "picks": known["to"].schema,
    "tried": [refused(known, {"reason": "why not", **to}) for to in ({"to": None}, {"to": 4}, {}, {"to": 7}, {"to": "4"})],
    "any": refused(plain, {"reason": "why not", "to": 99}),
    "typed": [[bool(refused(form, {"reason": why})) for form in (retrain, known)] for why in (
        "why <b>not</b> [x]", "schön", "a\\x1b[31m", "a\\nb", "a\\n", "a\\u202eb", "a\\x00b")],
    "until": forms.retrain(ended)["as_of"].schema["title"],
    "unknown": [unknown(conf) for conf in (
        None, {}, {"as_of": None, "train_line": False, "openlineage": {}}, {"asof": "2024-01-01", "lanne": "x"},
        {"train_tree": False}, {"Lane": "live"})],
    "unknown in a rollback": unknown({"reason": "why not", "too": 4, "leave": 7}, known),
    "lanes": [lane(*of) for of in (
        (None, None), ("2024-01-01", None), ("2024-01-01", "live"), (None, "mine"), ("2024-01-01", "mine"))],
    "lanes of a backfill": [in_backfill(*of) for of in (
        (None, None), (None, "mine"), (None, "live"), ("2024-01-01", None), ("2024-01-01", "mine"))],
    "champion": [forms.retrain(SPEC, r)["lane"].schema["description_md"].partition("refused.")[2] for r in (None, [], reigns, reigns[:2], reigns[:1])],
    "champion to roll back": [forms.rollback(r)["to"].schema["description_md"].partition("predecessor.")[2] for r in (None, reigns)],
    "no reign": forms.rollback([])["to"].schema["enum"],
}
"""

QUERIES = """
import os, time

def timed(url):
    os.environ["TITLEHOLDER_LEDGER_URL"] = url
    begun = time.monotonic()
    return forms.reigns(["m"]), time.monotonic() - begun

answer = [timed(url) for url in URLS]
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return dict(apart.run(tmp_path_factory.mktemp("airflow"), PRELUDE)[0])


def test_each_candidate_is_a_checkbox_that_is_on(found: dict[str, Any]) -> None:
    assert list(found["retrain"]) == ["as_of", "lane", "reason", "train_line", "train_trees"]
    on, schema = found["retrain"]["train_trees"]
    assert on is True
    assert schema == {"type": "boolean", "title": "trees", "description_md": "`a.Forest`", "section": "Candidates"}


def test_the_form_names_the_valid_dates(found: dict[str, Any]) -> None:
    _, schema = found["retrain"]["as_of"]
    assert schema["title"] == "As of (2024-01-01 to today)"
    assert found["until"] == "As of (2024-01-01 to 2025-06-01)"


def test_what_may_stay_empty_is_nullable(found: dict[str, Any]) -> None:
    """Airflow's user interface disables its button while a field without `null` in its type is empty."""
    assert set(found["empty"]) == {"as_of", "lane", "reason", "to", "leaving"}
    demanded = [name for name, kind in found["empty"].items() if "null" not in kind]
    assert demanded == ["reason"], "that of a rollback"


def test_the_checkboxes_become_candidates(found: dict[str, Any]) -> None:
    assert found["chosen"] == [
        ["line", "trees"],
        ["trees"],
        "m: no candidate is switched on; leave at least one of train_line, train_trees on",
    ]


VALID = "valid: as_of, lane, reason, train_line, train_trees. Nothing was started"


def test_a_key_that_no_field_has_is_refused_with_the_nearest(found: dict[str, Any]) -> None:
    """Airflow takes any key: a run that was meant for another day and lane was live, and of today."""
    *valid, misspelt, other, case = found["unknown"]
    assert valid == [None] * 3
    assert misspelt == (f"conf: unknown keys 'asof' (did you mean 'as_of'?), 'lanne' (did you mean 'lane'?); {VALID}")
    assert other == f"conf: unknown key 'train_tree' (did you mean 'train_trees'?); {VALID}"
    assert case.startswith("conf: unknown key 'Lane' (did you mean 'lane'?)")
    assert found["unknown in a rollback"] == (
        "conf: unknown keys 'too' (did you mean 'to'?), 'leave' (did you mean 'leaving'?); "
        "valid: reason, to, leaving, force. Nothing was started"
    )


def test_live_must_be_chosen_for_a_date_that_was_filled_in(found: dict[str, Any]) -> None:
    assert found["lanes"] == ["live", "what-if", "live", "mine", "mine"]
    valid, refused = found["lanes of a backfill"][:2], found["lanes of a backfill"][2:]
    assert valid == ["backtest", "mine"]
    assert all("any lane but live" in text for text in refused)


def test_only_earlier_champions_can_be_picked(found: dict[str, Any]) -> None:
    assert found["picks"]["enum"] == [None, 4, 2]
    assert found["picks"]["values_display"] == {
        "null": "the predecessor, version 2",
        "4": "version 4: 2024-03-01 to 2024-05-01 (rolled back), as of 2024-02-01",
        "2": "version 2: 2024-01-01 to 2024-03-01, 2024-05-01 to 2024-06-01, as of 2023-12-01",
    }
    *valid, champion, text = found["tried"]
    assert valid == ["", "", ""]
    assert champion == "Invalid input for param to: 7 is not one of [None, 4, 2]"
    assert "Invalid input for param to: '4' is not" in text
    assert found["any"] == ""
    assert found["no reign"] == [None]


def test_the_forms_name_the_champion_and_where_a_rollback_leads(found: dict[str, Any]) -> None:
    """Version 4 was rolled back: the predecessor of version 7, which took over from version 2, is version 2."""
    unknown, none, now, before, first = found["champion"]
    assert (unknown, none) == ("", " There is no champion yet.")
    assert now == " Champion: version 7, as of 2023-12-01, since 2024-06-01; the predecessor, version 2."
    assert before == " Champion: version 4, as of 2024-02-01, since 2024-03-01; the predecessor, version 2."
    assert first.endswith("since 2024-01-01; the predecessor (there is none).")
    assert found["champion to roll back"] == ["", now]


def test_a_reason_with_control_characters_is_refused_before_a_run_exists(found: dict[str, Any]) -> None:
    assert found["typed"] == [[False, False]] * 2 + [[True, True]] * 5


def test_without_the_ledger_any_version_can_be_entered_and_the_log_says_why(tmp_path: Path) -> None:
    """192.0.2.1 is reserved for documentation: where packets to it vanish, only a timeout ends the wait."""
    urls = [
        "",
        *(f"postgresql+psycopg2://u:secret@{h}/db" for h in ("127.0.0.1:9", "192.0.2.1:5432")),
        "nonsense secret",
    ]
    answers, log = apart.run(tmp_path, PRELUDE + QUERIES.replace("URLS", str(urls)))
    assert [reigns for reigns, _ in answers] == [None] * 4
    assert max(seconds for _, seconds in answers) < 8
    assert log.count("The forms name no champion, and a rollback's takes any number") == 4
    for why in ("TITLEHOLDER_LEDGER_URL is not set", "the ledger's PostgreSQL does not answer", "cannot be read"):
        assert why in log
    assert "secret" not in log
