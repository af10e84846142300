"""From the warehouse to an immutable snapshot that keeps its contract."""
