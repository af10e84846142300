"""Titleholder: a new model takes over only after it has beaten the reigning one, fairly, on rows neither has seen."""
