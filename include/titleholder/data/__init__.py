"""From the warehouse to an immutable snapshot whose rows are checked against their contract."""
