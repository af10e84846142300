"""Secrets out of any text: what libraries say of addresses, logins and headers, and the secrets that are known here."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

MASK = "***"
SHORTEST = 5
"""The least length of a secret that is searched for by its value, as in Airflow: a shorter one is part of any word."""

_KEYS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|account|private|secret)[_-]?key|credentials?"
    r"|sig(?:nature)?"
)
_VARIABLE = re.compile(
    r"pass(?:word|wd|phrase)$|(?:^|_)(?:pass|secret|token|pat"
    r"|(?:fernet|api|access|account|storage|private|secret|signing|encryption)_?key)$|_pwd$",
    re.IGNORECASE,
)
"""Names of variables whose values are secrets, such as PGPASSWORD and AZURE_STORAGE_ACCOUNT_KEY."""
LONGEST = 300
"""The greatest length of a login's user, and of what follows until its `@`."""
_SCHEME = re.compile(r"://(?![^\s/@]*:…@)")
"""After it a login may begin; `ROLE:…@HOST` is none."""
_USER = re.compile(rf"[^\s/?#'\"<>@]{{0,{LONGEST}}}")
_BEFORE_HOST = re.compile(r"@(?=[\w.\-\[])")
_END = re.compile(r"[\s'\"<>]|\Z")
"""No address goes on beyond it."""
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"((?:proxy-)?authorization['\"]?\s*[:=]\s*(?:b?['\"])?)(?!\*\*\*)(?:\w+\s+)?[^\s'\",;]+", rf"\1{MASK}"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {MASK}"),
        (
            rf"((?:\b|_|-)(?:{_KEYS})['\"]?\s*[=:]\s*)(?!\*\*\*)(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&,;'\"]+)",
            rf"\1{MASK}",
        ),
        (r"(hooks\.slack(?:-gov)?\.com|webhook\.office\.com|discord(?:app)?\.com)/[^\s'\")]+", rf"\1/{MASK}"),
        (r"/(services|workflows|triggers)/T\w+/[^\s'\")]+", rf"/\1/{MASK}"),  # as urllib3 says it, without its host
    )
)
"""Keys with their values, headers, and the addresses of webhooks: whoever knows one can post there."""
_IN_VALUES = re.compile(r"(?i)(?:password|(?:account|access)_?key)['\"]?\s*[=:]\s*['\"]?([^\s&,;'\"]+)")
"""Passwords in the value of a variable: in the query of an address, a connection string, or a connection as JSON."""
_WITH_VALUES = re.compile(r"^AIRFLOW_CONN_|CONNECTION_STRING$")
"""Variables that are no address, and may have such values all the same."""


def mask(text: str) -> str:
    """The text with every secret replaced by `***`.

    Logins in addresses, `password=…` and the like, Authorization headers, addresses of webhooks, and, wherever they
    stand, the secrets of the environment's variables.

    >>> mask("cannot reach https://ann:hunter2@mlflow.example/api (password='x y')")
    'cannot reach https://***@mlflow.example/api (password=***)'
    """
    for secret in secrets():
        text = text.replace(secret, MASK)
    text = _without_logins(text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def _without_logins(text: str) -> str:
    """The text with `***` for each login of an address. A login may have `/` and `@` itself: it ends at the last `@`.

    Each character is looked at a few times, however many addresses begin: text from outside must not take long.
    """
    hosts = [found.start() for found in _BEFORE_HOST.finditer(text)]
    parts, done, end = [], 0, -1
    for scheme in _SCHEME.finditer(text) if "@" in text else ():
        if scheme.end() <= done:
            continue
        user = next(_USER.finditer(text, scheme.end())).end()
        end = end if end >= user else next(_END.finditer(text, user)).start()
        last = bisect_right(hosts, min(user + LONGEST, end)) - 1
        if last >= 0 and hosts[last] >= user:
            user = hosts[last]
        if text[user : user + 1] == "@":
            parts += [text[done : scheme.end()], MASK]
            done = user
    return "".join([*parts, text[done:]])


def secrets() -> list[str]:
    """The secrets of the environment by their values, the longest first."""
    return secrets_in(os.environ)


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The secrets of any variables by their values, the longest first.

    >>> secrets_in({"DB_PASSWORD": "hunter2", "STORE": "s3://bucket", "DB": "postgresql://ann:tr0ub4dor@db/x"})
    ['tr0ub4dor', 'hunter2']
    """
    return sorted(set(_of_environment(environment)), key=lambda secret: (-len(secret), secret))


def _of_environment(environment: Mapping[str, str]) -> Iterable[str]:
    """The values of variables with the name of a secret, and the passwords of the addresses in all others."""
    for name, value in environment.items():
        if _VARIABLE.search(name) and "://" not in value:
            yield from _forms(value)
        if "://" in value or _WITH_VALUES.search(name):
            logins = re.findall(r"://([^\s/?#]*)@", value)
            for secret in (*(login.partition(":")[2] for login in logins), *_IN_VALUES.findall(value)):
                yield from _forms(secret)


def _forms(secret: str) -> list[str]:
    """A secret as it was written, with its percent signs read, and as a part of an address."""
    plain = unquote(secret)
    forms = {secret, plain, quote(plain, safe="", errors="surrogateescape")}
    return [form for form in forms if len(form) >= SHORTEST and not form.isspace()]
