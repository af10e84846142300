"""Where the `titleholder` command begins. It imports nothing heavy: Ctrl-C needs no traceback while the rest is."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Import and run the command. Ctrl-C before it runs ends the process with 130 and says that nothing was decided."""
    if usual := signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as by nohup
        signal.signal(signal.SIGINT, _end)
    from titleholder.cli import main as command

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command.main()


def _end(*_: object) -> None:
    """End at once: an exception in the middle of an import may be lost, or come out as another one."""
    os.write(2, b"Interrupted: nothing was decided.\n")
    os._exit(130)
