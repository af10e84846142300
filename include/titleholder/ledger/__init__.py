"""The append-only table of decisions: the truth that the registry's alias follows."""
