"""What explains decisions to people: a model card in one HTML file, the same as Markdown.

Pure: they return text and figures; equal input gives equal text, byte for byte.
"""

from titleholder.reports.card import card
from titleholder.reports.facts import Facts, what
from titleholder.reports.markdown import markdown
from titleholder.reports.plots.search import search_figure

__all__ = ["Facts", "card", "markdown", "search_figure", "what"]
