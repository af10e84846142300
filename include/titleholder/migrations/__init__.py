"""The ledger's schema, by Alembic."""
