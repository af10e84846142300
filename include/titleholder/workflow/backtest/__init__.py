"""A lane of decisions held against what became of the rows that followed each of them."""
