"""What Alembic runs for every command; `energy.schema` gives it the connection, which is in its transaction already."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
