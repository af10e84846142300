"""One MLflow server: its client, its time-outs, and errors that say what to do."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_header.databricks_request_header_provider import DatabricksRequestHeaderProvider
from mlflow.utils import request_utils
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from titleholder.errors import ServiceError, one_line

DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ABSENT = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
"""The error codes by which MLflow says that an alias, model or version is not there."""
REFUSED = re.compile(r"failed with error code 40[13]\b")
"""What MLflow's client says where a server knows no such login, or allows its user less."""


class RetryUnlessSilent(Retry):
    """Retries as MLflow's client makes them, but for a server that is silent for a whole time-out: it may hang.

    A server that refuses a connection or answers with an error may be starting, and is asked again.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        """See urllib3."""
        if isinstance(error, ReadTimeoutError):
            raise error
        if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)


request_utils.__dict__["Retry"] = RetryUnlessSilent  # MLflow has no setting for it
# with each request MLflow tries to import dbruntime, pyspark and IPython, in vain: 1.2 ms, more where sys.path is long
DatabricksRequestHeaderProvider.in_context = functools.cache(DatabricksRequestHeaderProvider.in_context)  # type: ignore[method-assign]


class Server:
    """A tracking server and registry."""

    def __init__(self, tracking_uri: str) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        self.uri = tracking_uri
        mlflow.set_tracking_uri(tracking_uri)
        self.client = MlflowClient(tracking_uri)

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Raise ServiceError where the server does not answer: in one line, and without what a library said of it."""
        try:
            yield
        except MlflowException as error:
            if REFUSED.search(str(error)):
                user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "not set"
                login = f"MLFLOW_TRACKING_USERNAME ({user}) with MLFLOW_TRACKING_PASSWORD"
                raise ServiceError(f"MLflow at {self.uri} refuses {login}: {one_line(error)}") from None
            if isinstance(error.__cause__, requests.Timeout):
                waited = f"{os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT']} s (MLFLOW_HTTP_REQUEST_TIMEOUT)"
                said = f"MLflow at {self.uri} does not answer within {waited}. Look at its log, or start it again."
                raise ServiceError(said) from None
            if "API request" in str(error) or error.error_code == "TEMPORARILY_UNAVAILABLE":
                said = f"MLflow at {self.uri} does not answer: {one_line(error)}. Locally: `make up`."
                raise ServiceError(said) from None
            raise


@contextmanager
def gone_already() -> Iterator[None]:
    """What is deleted inside may be gone: somebody else has deleted it meanwhile."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise


def total_size(files: Callable[[str | None], Sequence[FileInfo]], folder: str | None = None) -> int:
    """The bytes of all files below a folder, as far as the store says, given what lists those of one."""
    return sum(total_size(files, file.path) if file.is_dir else file.file_size or 0 for file in files(folder))
