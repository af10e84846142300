"""The stack's own local settings, with points at which a test can hold a task (`support.holding`).

This folder comes before `config` on the path of the scheduler that `support.fragile` starts.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("own_settings", TESTS.parent / "config" / "airflow_local_settings.py")
assert _spec
assert _spec.loader
own_settings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(own_settings)

if "scheduler" in sys.argv[1:2]:
    sys.path.append(str(TESTS))
    from support.holding import install

    install()
