"""How a ledger of any age becomes one of today: Alembic's revisions, applied at every start of core."""
