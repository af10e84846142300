"""Credentials of the object store from an Airflow connection, on a server that asks for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import quote

import boto3
import pytest

from support import apart
from support.object_stores import s3

RULES = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class Account(NamedTuple):
    endpoint: str
    key: str
    secret: str

    def connection(self, secret: str = "") -> str:
        given = f"{quote(self.key, safe='')}:{quote(secret or self.secret, safe='')}"
        return f"aws://{given}@/?endpoint_url={quote(self.endpoint, safe='')}&region_name=us-east-1"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """A user of a server that lets four requests pass, and then nobody without a right."""
    with patch.dict(os.environ, {"INITIAL_NO_AUTH_ACTION_COUNT": "4"}), s3() as client:
        iam = boto3.client("iam")
        iam.create_user(UserName="trainer")
        made = iam.create_access_key(UserName="trainer")["AccessKey"]
        iam.put_user_policy(UserName="trainer", PolicyName="all", PolicyDocument=json.dumps(RULES))
        client.create_bucket(Bucket="models")
        yield Account(os.environ["AWS_ENDPOINT_URL"], made["AccessKeyId"], made["SecretAccessKey"])


TASK = """
import logging, os
import pyarrow as pa
from titleholder.data import snapshots
from titleholder_airflow import tasks
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
try:
    found = tasks.settings()
    table = pa.table({"x": range(10)})
    written = snapshots.write(found.snapshots, "m/2024-06-01", table.schema, iter(table.to_batches()))
    with snapshots.opened(written.uri, written.sha256) as extract:
        answer = {"uri": written.uri, "rows": len(extract.read())}
except Exception as error:
    answer = {"error": f"{type(error).__name__}: {error}"}
answer["environment"] = [name for name in os.environ if name.startswith("AWS_")]
from airflow.sdk._shared.secrets_masker import redact
import fsspec
answer["masked"] = redact(fsspec.config.conf.get("s3", {}).get("secret", ""))
"""


def task(tmp_path: Path, **environment: str) -> dict[str, Any]:
    services = {
        "TITLEHOLDER_LEDGER_URL": "postgresql://x@127.0.0.1:1/x", "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "TITLEHOLDER_SNAPSHOTS": "s3://models/titleholder",
    }  # fmt: skip
    found, printed = apart.run(tmp_path, TASK, **services, **environment)
    for value in environment.values():
        if value.startswith("aws://"):
            assert value.split(":")[2].partition("@")[0] not in printed.partition("ANSWER")[0]
    return dict(found)


def test_a_task_reaches_the_store_with_the_connection_alone(account: Account, tmp_path: Path) -> None:
    own = {"AIRFLOW_CONN_SNAPSHOTS": account.connection(), "TITLEHOLDER_STORE_CONNECTION": "snapshots"}
    found = task(tmp_path, **own)
    assert found.get("rows") == 10, found
    assert found["uri"].startswith("s3://models/titleholder/m/2024-06-01/")
    assert found["environment"] == [], "no child process inherits them"
    assert found["masked"] == "***"
    assert account.secret not in json.dumps(found)


def test_without_it_or_with_a_wrong_secret_the_store_refuses(account: Account, tmp_path: Path) -> None:
    wrong = {
        "AIRFLOW_CONN_SNAPSHOTS": account.connection("not-the-secret"),
        "TITLEHOLDER_STORE_CONNECTION": "snapshots",
    }
    assert task(tmp_path)["error"].startswith("ServiceError: ")
    refused = task(tmp_path, **wrong)["error"]
    assert refused.startswith("ServiceError: ")
    assert "not-the-secret" not in refused
    assert account.secret not in refused


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({}, "UsageError: TITLEHOLDER_STORE_CONNECTION: Airflow has no connection 'snapshots'"),
        ({"conn_type": "postgres"}, "is of type 'postgres', and s3:// needs one of type 'aws'"),
        ({"conn_type": "aws"}, "has no credentials; leave TITLEHOLDER_STORE_CONNECTION out"),
        (
            {"conn_type": "aws", "login": "k", "password": "s3cr3t", "extra": {"role_arn": "arn:x"}},
            "has in its extra what is not supported here: role_arn",
        ),
    ],
)
def test_what_no_store_can_be_reached_with_is_refused(connection: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {"AIRFLOW_CONN_SNAPSHOTS": json.dumps(connection)} if connection else {}
    assert said in task(tmp_path, TITLEHOLDER_STORE_CONNECTION="snapshots", **given)["error"]


OPTIONS = """
from types import SimpleNamespace as Of
from titleholder_airflow import store
def connection(kind, login="", password="", host="", **extra):
    return Of(conn_id="c", conn_type=kind, login=login, password=password, host=host, extra_dejson=extra)
answer = {
    "s3": store.options("s3", connection("aws", "k", "s", aws_session_token="t", region_name="eu-west-1")),
    "gs": store.options("gs", connection("google_cloud_platform", keyfile_dict='{"type": "service_account"}', project="p")),
    "gs file": store.options("gs", connection("google_cloud_platform", key_path="/keys/x.json")),
    "az": store.options("az", connection("wasb", "acme", "key")),
    "az app": store.options("az", connection("wasb", "app", "s", "https://acme.blob.core.windows.net", tenant_id="t")),
    "az text": store.options("az", connection("wasb", connection_string="x=y")),
}
"""


def test_a_connection_becomes_the_options_of_the_stores_library(tmp_path: Path) -> None:
    """Those of Google and Azure are compared with the libraries' documentation; no server of theirs is at hand."""
    assert apart.run(tmp_path, OPTIONS)[0] == {
        "s3": {"key": "k", "secret": "s", "token": "t", "client_kwargs": {"region_name": "eu-west-1"}},
        "gs": {"token": {"type": "service_account"}, "project": "p"},
        "gs file": {"token": "/keys/x.json"},
        "az": {"account_name": "acme", "account_key": "key"},
        "az app": {"client_id": "app", "client_secret": "s", "tenant_id": "t", "account_name": "acme"},
        "az text": {"connection_string": "x=y"},
    }
