"""What explains decisions to people: a model card in one HTML file, the same as Markdown, a backtest's page.

Pure: they return text and figures; equal input gives equal text, byte for byte.
"""

from titleholder.report.answer import answer
from titleholder.report.backtest import page as backtest_page
from titleholder.report.facts import Facts, what
from titleholder.report.note import markdown
from titleholder.report.page import card
from titleholder.report.search import search_figure

__all__ = ["Facts", "answer", "backtest_page", "card", "markdown", "search_figure", "what"]
