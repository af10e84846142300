"""An S3 server on loopback, in a process of its own, and what it holds."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import boto3
from s3fs import S3FileSystem

HOST = "127.0.0.1"
TESTS = Path(__file__).parents[1]


class Bucket(NamedTuple):
    """A bucket that keeps every version of its objects."""

    name: str
    client: Any

    @property
    def address(self) -> str:
        return f"s3://{self.name}/titleholder"

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def content(self, key: str) -> bytes:
        found: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return found

    def versions(self) -> list[str]:
        """The key of every version that was ever put, and of every mark of a deletion, after a minus."""
        found = self.client.list_object_versions(Bucket=self.name)
        deleted = [f"-{mark['Key']}" for mark in found.get("DeleteMarkers", [])]
        return sorted([version["Key"] for version in found.get("Versions", [])] + deleted)


@contextlib.contextmanager
def s3() -> Iterator[Any]:
    """A server and a client of it; this process, and those that it starts, find it by their environment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    variables = {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_ACCESS_KEY_ID": "key-of-tests",
        "AWS_SECRET_ACCESS_KEY": "secret-of-tests", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    command = [sys.executable, "-m", "support.s3_server", HOST, str(port)]
    with (
        patch.dict(os.environ, variables),
        subprocess.Popen(command, cwd=TESTS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server,
    ):
        try:
            wait_for(port)
            S3FileSystem.clear_instance_cache()  # what was connected before has no credentials, or others
            yield boto3.client("s3")
        finally:
            server.terminate()


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        assert time.monotonic() < until, "the S3 server did not start"
        time.sleep(0.05)
