"""Addresses of PostgreSQL, as parameters of libpq.

They are read here and nowhere else: of an address that libpq or SQLAlchemy cannot read they repeat the part that they
stumbled over, which is the password where it has a character that should have been percent-encoded.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode

from titleholder.errors import UsageError

CONNECT_TIMEOUT = 10
"""Seconds in which a server must take a connection."""
LIVENESS = {"keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
"""A server whose machine vanished is noticed within 25 seconds: libpq would wait for two hours by default."""
UNACKNOWLEDGED = "20000"
"""Milliseconds after which data that the other machine has not acknowledged end the connection (`tcp_user_timeout`)."""
ENCRYPTED = ("require", "verify-ca", "verify-full")
"""Values of `sslmode` with which no connection is unencrypted."""

REQUIRED = "PGREQUIREAUTH"
"""The variable by which libpq knows how a server may ask for a login; an address without a password leaves it alone."""
CANCELED = "canceling statement due to user request"

_ADDRESS = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>(?:\[[0-9A-Fa-f:.]+\]|[^:@/?#\s,\[\]]*)(?::\d+)?(?:,(?:\[[0-9A-Fa-f:.]+\]|[^:@/?#\s,\[\]]*)(?::\d+)?)*)"
    r"(?:/(?P<dbname>[^@/?#]*))?(?:\?(?P<query>[^#\s]*))?"
)
_HOST = re.compile(r"(?P<host>\[[^\]]+\]|[^:]*)(?::(?P<port>\d+))?")
_PARAMETERS = """
host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding
options application_name fallback_application_name keepalives keepalives_idle keepalives_interval
keepalives_count tcp_user_timeout sslmode sslnegotiation sslcompression sslcert sslkey sslpassword sslcertmode
sslrootcert sslcrl sslcrldir sslsni requirepeer requiressl ssl_min_protocol_version ssl_max_protocol_version
krbsrvname gsslib gssencmode gssdelegation service target_session_attrs load_balance_hosts
"""


def is_interrupt(error: BaseException) -> bool:
    """Whether a statement ended because of Ctrl-C: ADBC's own handler cancels it, and Python hears of no signal.

    Only where Ctrl-C would raise KeyboardInterrupt, as in a command.
    """
    return CANCELED in str(error) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def parameters(url: str, *, connect_timeout: int = CONNECT_TIMEOUT) -> dict[str, str]:
    """The parameters with which a program connects: those of the address, which win, and the safe ones it leaves out.

    Whoever sits on the server's port gets no password: with a password, `require_auth` accepts SCRAM only, in which the
    server proves that it knows the password too; over TLS the proof is bound to the connection (`channel_binding`).
    Without one, libpq may find it elsewhere (`PGPASSWORD`, `~/.pgpass`): it is not sent as it is, nor as its MD5.

    >>> parameters("postgresql://reader:hunter2@db/warehouse")["require_auth"]
    'scram-sha-256'

    Raises:
        UsageError: the address cannot be read; the message repeats no part of it.
    """
    found = _ADDRESS.fullmatch(url.strip())
    if found is None or re.search(r"%(?![0-9A-Fa-f]{2})|%00|\x00", url):
        raise UsageError(
            "an address of PostgreSQL cannot be read. It is written postgresql://ROLE:…@HOST:PORT/DATABASE, with "
            "every character of the password but letters, digits and -._~ percent-encoded, such as %2F for a slash"
        )
    given = {name: unquote(value) for name in ("user", "password", "dbname") if (value := found[name])}
    given |= _hosts(found["hosts"])
    given |= dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    if unknown := sorted(set(given) - set(_PARAMETERS.split())):
        raise UsageError(f"an address of PostgreSQL has a parameter that libpq does not know: {', '.join(unknown)}")
    usual = {"connect_timeout": str(connect_timeout), "tcp_user_timeout": UNACKNOWLEDGED, **LIVENESS}
    return {**usual, **_authentication(given), **given}


def address(given: Mapping[str, str]) -> str:
    """The same as an address that libpq reads."""
    return f"postgresql://?{urlencode(given, quote_via=quote)}"


def _hosts(text: str) -> dict[str, str]:
    """`host` and `port` of one or more servers, separated by commas; neither where the address names none."""
    servers = [match for part in text.split(",") if (match := _HOST.fullmatch(part))]
    hosts, ports = ([server[name] or "" for server in servers] for name in ("host", "port"))
    found = {"host": ",".join(unquote(host.strip("[]")) for host in hosts), "port": ",".join(ports)}
    return {name: value for name, value in found.items() if value.strip(",")}


def _authentication(given: Mapping[str, str]) -> dict[str, str]:
    if not given.get("password"):
        return {} if REQUIRED in os.environ else {"require_auth": "!password,!md5"}
    bound = {"channel_binding": "require"} if given.get("sslmode") in ENCRYPTED else {}
    return {"require_auth": "scram-sha-256", **bound}
