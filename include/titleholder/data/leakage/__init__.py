"""The leak test: copies of the tables that a query reads, whose facts change where they were not known yet."""
