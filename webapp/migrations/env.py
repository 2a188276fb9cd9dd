"""Alembic's environment: migrations run on the connection they are handed, in its transaction."""

from alembic import context

from webapp.core.db import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=connection.dialect.name == "sqlite"
)
context.run_migrations()
