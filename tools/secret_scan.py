"""Looks for secrets in the files that Git knows: `make check`. Exit code 1 where there is one; nothing is sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

FORMATS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""Secrets of a known form. Words such as `password` and random text are not looked for: this code is full of both."""
PLACEHOLDERS = frozenset({
    "x", "p", "…", "er2", "hunt", "secret", "s3cret", "s3cr%40et", "geheim", "hunter2", "hunt%er2", "%00hunter2",
    "tr0ub4dor", "tr0ub%2F4dor", "mine", "owned", "loaded", "https://hooks.slack.com/services/T0/B0/tr0ub4dor",
})  # fmt: skip
"""What stands for a password in tests and examples. Use one of these in new ones."""
BINARY = frozenset({".png", ".svg", ".whl", ".ico"})


def found(files: Iterable[Path]) -> Iterator[str]:
    """A line for each secret: where it is and what it looks like, not the secret."""
    known = get_mapping_from_secret_type_to_class().values()
    detectors = [detector() for detector in known if detector.__name__ in FORMATS]
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        for detector in detectors:
            if not any(detector.analyze_string(text)):  # quick; a match may also be of several lines: those are none
                continue
            for number, line in enumerate(text.splitlines(), start=1):
                if any(not _is_placeholder(secret) for secret in detector.analyze_string(line)):
                    yield f"{file}:{number}: {detector.secret_type}"


def _is_placeholder(secret: str) -> bool:
    return secret in PLACEHOLDERS or (secret.startswith("{") and secret.endswith("}"))  # of an f-string


def tracked(root: Path) -> list[Path]:
    """The files that Git knows or would add, but for pictures and the like."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    files = (root / name for name in listed.split("\0") if name)
    return [file for file in files if file.is_file() and file.suffix not in BINARY]


def main() -> int:
    """Print what was found in the folder given, by default the one around this file."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    lines = list(found(tracked(root)))
    for line in lines:
        print(line)
    if lines:
        print(
            "A secret that was committed must be withdrawn where it is valid, not only deleted here. A placeholder is "
            "one of those in tools/secret_scan.py."
        )
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
