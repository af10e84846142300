"""The stack's own local settings, with points at which a test can hold a task (`support.holding`).

This folder comes before `config` on the path of what forks tasks in the stacks of `support.fragile` and
`support.celery_stack`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("own_settings", TESTS.parent / "config" / "airflow_local_settings.py")
assert _spec
assert _spec.loader
own_settings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(own_settings)

if own_settings.forks_tasks(sys.argv[1:], os.environ.get("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")):
    sys.path.append(str(TESTS))
    from support.holding import install

    install()
