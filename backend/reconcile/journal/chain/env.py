"""The journal's chain runs on the connection and in the schema that the journal names, and nowhere else."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
connection.execute(
    text("SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(:schema), true)"), {"schema": schema}
)
context.configure(connection=connection, version_table="journal_version", version_table_schema=schema)
with context.begin_transaction():
    context.run_migrations()
