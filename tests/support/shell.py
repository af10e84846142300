"""The caller's shell, of which tests are independent: whoever imports this forgets what the shell says of tables, colours
and PostgreSQL. Consoles take width and colours from the environment when their module is imported."""

from __future__ import annotations

import os

FORGOTTEN = ("COLUMNS", "LINES", "TERMINAL_WIDTH", "NO_COLOR", "FORCE_COLOR", "TITLEHOLDER_PASS_ON")

for name in [name for name in os.environ if name in FORGOTTEN or name.startswith("PG")]:
    del os.environ[name]
