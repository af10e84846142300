"""`python -m titleholder.local`: the stack's commands alone."""

from __future__ import annotations

from titleholder.local.cli import app

app()
