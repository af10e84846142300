"""Texts that try to be more than text, for every channel on which data are shown."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    "[/red]", "[red]", "[link=https://evil.example]here[/link]", "[bold", ":warning:",
    "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\", "\x1b[2J\x1b[31m", "\x9b31m", "\a", "\r", "\b\b\b", "\x00", "\ud800",
    "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{RIGHT-TO-LEFT ISOLATE}", "\N{ZERO WIDTH SPACE}", "\N{LINE SEPARATOR}", "\ufeff",
    "\nDecision 9, 2024-01-01 promote: approved", "\n\n# heading\n", "\n~~~\n", "\n---\n", "\n    code", "\n[1]: https://evil.example",
    "[x](javascript:alert(1))", "[x][1]", "![x](https://evil.example/p.png)", "![", "](", "[[", "<https://evil.example>",
    "https://evil.example/a?b=c&d", "www.evil.example", "ann@evil.example", "javascript:alert(1)",
    "<img src=x onerror=alert(1)>", "<script>", "&lt;b&gt;", "&#91;", "`", "``", "```", "*", "**b**", "_", "__b__", "~", "~~s~~", "|",
    "\\", "\\[", "#", "# h", "- item", "1. item", "> quote", "=", "===", "+", "<!channel>", "<@U1>", "{{ conn.x.password }}", "{% raw %}",
    "$x$", "\t", " ",
)  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), min_size=1, max_size=6).map("".join)
"""Some of these side by side, with any characters between."""


def controls(shown: str) -> list[str]:
    """The characters of what was shown that no reader sees: all but those between words of some languages."""
    return [c for c in shown if not c.isprintable() and c not in "\n\u200c\u200d"]
