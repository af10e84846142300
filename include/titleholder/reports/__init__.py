"""Reports that explain decisions: a model card in one HTML file, and the same as Markdown.

Pure: equal input gives equal output, byte for byte.
"""

from titleholder.reports.card import card
from titleholder.reports.facts import Facts, headline
from titleholder.reports.history import MetricHistory
from titleholder.reports.markdown import markdown

__all__ = ["Facts", "MetricHistory", "card", "headline", "markdown"]
