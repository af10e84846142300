"""Credentials of the object store from an Airflow connection, as options of the store's fsspec library."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, mask_secret
from airflow.sdk import BaseHook

from titleholder.errors import UsageError

VARIABLE = "TITLEHOLDER_STORE_CONNECTION"
"""Names the connection; without it the store's library reads the environment, or the machine's own role."""


def configure(address: str) -> None:
    """Let this process reach the store of an address with the connection that the variable names, if it does.

    The options stay in memory, in fsspec's own configuration: no address, log, payload or child process has them.

    Raises:
        UsageError: there is no such connection, or it is not one for this store.
    """
    connection_id = os.environ.get(VARIABLE, "")
    scheme, separate, _ = address.partition("://")
    if not connection_id or not separate or scheme == "file":
        return
    try:
        connection = BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise UsageError(f"{VARIABLE}: Airflow has no connection {connection_id!r} (Admin → Connections)") from None
    given = options(scheme, connection)
    _mask(given)
    from titleholder.data import object_store

    object_store.configure(scheme, given)


def options(scheme: str, connection: Any) -> dict[str, Any]:
    """What a connection says, in the words of the library of a scheme.

    UsageError for a connection of another kind, one without credentials, or one that says what is not supported.
    """
    if scheme not in KINDS:
        raise UsageError(f"{VARIABLE}: there are no connections for {scheme}://; there are {', '.join(KINDS)}")
    kind, read = KINDS[scheme]
    named = f"{VARIABLE}: the connection {connection.conn_id!r}"
    if connection.conn_type != kind:
        raise UsageError(f"{named} is of type {connection.conn_type!r}, and {scheme}:// needs one of type {kind!r}")
    extra = {key: value for key, value in connection.extra_dejson.items() if value not in (None, "")}
    found = {key: value for key, value in read(connection, extra).items() if value}
    if extra:
        raise UsageError(f"{named} has in its extra what is not supported here: {', '.join(sorted(extra))}")
    if not found:
        raise UsageError(f"{named} has no credentials; leave {VARIABLE} out where the machine has its own role")
    return found


def _s3(connection: Any, extra: dict[str, Any]) -> dict[str, Any]:
    region = extra.pop("region_name", None)
    return {
        "key": connection.login,
        "secret": connection.password,
        "token": extra.pop("aws_session_token", None),
        "endpoint_url": extra.pop("endpoint_url", None),
        "profile": extra.pop("profile_name", None),
        "client_kwargs": {"region_name": region} if region else None,
    }


def _gs(_: Any, extra: dict[str, Any]) -> dict[str, Any]:
    written, path = extra.pop("keyfile_dict", None), extra.pop("key_path", None)
    extra.pop("scope", None)
    key = json.loads(written) if isinstance(written, str) else written
    return {"token": key or path, "project": extra.pop("project", None)}


def _az(connection: Any, extra: dict[str, Any]) -> dict[str, Any]:
    if text := extra.pop("connection_string", None):
        return {"connection_string": text}
    tenant = extra.pop("tenant_id", None)
    if tenant:
        own = {"client_id": connection.login, "client_secret": connection.password, "tenant_id": tenant}
        return own | {"account_name": _account(connection.host)}
    return {
        "account_name": connection.login or _account(connection.host),
        "account_key": connection.password,
        "sas_token": extra.pop("sas_token", None),
    }


def _account(host: str | None) -> str:
    """`acme` of `https://acme.blob.core.windows.net`."""
    return (host or "").removeprefix("https://").partition(".")[0]


KINDS: dict[str, tuple[str, Callable[[Any, dict[str, Any]], dict[str, Any]]]] = {
    "s3": ("aws", _s3),
    "gs": ("google_cloud_platform", _gs),
    "az": ("wasb", _az),
}
"""The type of connection of each scheme, and what makes options of it."""


def _mask(given: Any) -> None:
    for name, value in given.items():
        if isinstance(value, dict):
            _mask(value)
        elif name not in ("project", "endpoint_url", "region_name", "account_name", "client_email", "type"):
            mask_secret(value)
