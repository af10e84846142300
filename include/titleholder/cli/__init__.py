"""The `titleholder` command."""
