"""Start MLflow's server, with its login, for the address at which browsers find it.

MLflow refuses requests for hosts that it does not know, and the user interface's where it does not know their origin.
It listens on MLFLOW_HOST and MLFLOW_PORT.
"""

from __future__ import annotations

import os
import re
from typing import NoReturn
from urllib.parse import urlsplit

INSIDE = ("mlflow:5000", "localhost:*", "127.0.0.1:*")


def main() -> NoReturn:
    """Become the server. Raises SystemExit with what is wrong with the address, if anything is."""
    address = os.environ["TITLEHOLDER_MLFLOW_ADDRESS"]
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not re.fullmatch(r"[\w.-]+(:\d+)?", url.netloc):
        raise SystemExit(
            "MLFLOW_ADDRESS is not http(s)://HOST or http(s)://HOST:PORT, such as https://mlflow.example.org"
        )
    # A browser leaves out the port that the scheme implies.
    hosts = [*INSIDE, url.netloc, *([] if url.port else [f"{url.netloc}:*"])]
    command = [
        *("mlflow", "server", "--workers=1", "--app-name=titleholder"),
        f"--allowed-hosts={','.join(dict.fromkeys(hosts))}",
        f"--cors-allowed-origins={url.scheme}://{url.netloc}",
        *("--serve-artifacts", f"--artifacts-destination={os.environ['MLFLOW_ARTIFACTS']}"),
    ]
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
