"""`python -m localstack`: the stack's commands alone."""

from __future__ import annotations

from localstack.cli import app

app()
