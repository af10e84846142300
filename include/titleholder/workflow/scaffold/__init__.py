"""The first spec and query of a model, written from a table: a guess at every role, with what to check about it."""
