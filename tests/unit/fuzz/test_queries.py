"""Random queries: their tokens are the query, and what is sent has no parameter left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.fuzz import no_hang, share
from titleholder.spec import sql
from titleholder.spec.select_list import names_read
from titleholder.spec.sql_tokens import significant, tokens

PIECES = [
    "select ", " from t ", " as ", " where ", "a", "b.c", "x", ", ", "(", ")", "[", "]", "array", ":", "::", ":=", ":as_of",
    ":window_start", ":x", "'", "''", '"', '""', "E'", "e'", "\\", "\\'", "U&'", 'U&"', "\\0061", "n'", "x'", "$$", "$a$", "$1",
    "$", "--", "\n", "\r", " ", "\t", "/*", "*/", "/", "*", "-", ";", "1", "1.5e3", "case ", "when ", "then ", " end", "é",
    "😀", "\xa0", "\0", ".", "||", "lo:hi", "|",
]  # fmt: skip
queries = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=2)), max_size=60).map("".join)


@share(0.3)
@given(queries)
def test_a_query_is_its_tokens_and_what_is_sent_has_no_parameter_left(query: str) -> None:
    with no_hang():
        found = list(tokens(query))
        assert "".join(token.text for token in found) == query
        assert all(token.text for token in found)
        unfinished = [n for n, token in enumerate(found, start=1) if token.kind == "unfinished"]
        assert unfinished in ([], [len(found)])
        assert bool(sql.unfinished(query)) == bool(unfinished)
        sent = sql.from_settings(query)
        assert sql.parameters(sent) == []
        assert len(sql.parameters(query)) <= sent.count("current_setting")
        plain = sql.without_comments(query)
        assert [t.text for t in significant(plain)] == [t.text for t in significant(query)]
        names_read(query, "x")
        for position in (1, len(query), len(sent)):
            line = sql.line_of(position, sql.ordered(query, "d", "id"), query)
            sql.quoted_line(line, query)
