"""The leak trap: copies of what a query reads, with another future planted in them."""
