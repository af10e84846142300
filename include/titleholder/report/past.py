"""A backtest's page (stub)."""
from titleholder.walkforward import Backtest
def page(result: Backtest, url: str) -> str:
    return ""
