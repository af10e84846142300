"""moto's server of the S3 protocol, which answers one request at a time: `python -m support.s3_server HOST PORT`.

Of two conditional writes at once S3 takes one. moto by itself may take both: it looks whether the object is there and
puts it in two steps, and other requests come between.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

lock = Lock()
moto = DomainDispatcherApplication(create_backend_app)


def one_at_a_time(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    with lock:
        return moto(environ, start_response)  # type: ignore[no-any-return]


if __name__ == "__main__":
    run_simple(sys.argv[1], int(sys.argv[2]), one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
