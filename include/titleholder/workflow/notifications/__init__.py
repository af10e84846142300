"""Messages to people about a live model (pure; sends nothing)."""
