"""What explains a decision to people: a model card in one HTML file, the same as Markdown, and a picture of a search.

Pure: they return text and figures; equal input gives equal text, byte for byte.
"""

from titleholder.report.facts import Facts, what
from titleholder.report.note import markdown
from titleholder.report.page import card
from titleholder.report.search import search_figure

__all__ = ["Facts", "card", "markdown", "search_figure", "what"]
