"""The leak test: copies of the tables that a query reads, with a synthetic future inserted into them."""
