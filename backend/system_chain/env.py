"""Alembic's way into the chain of our own schema, which it makes where there is none."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from app.alembic_env import run
from core.database.system_tables import SCHEMA
from core.errors import PegasusError, PrivilegeMissing, quoted
from reconcile.observation.observe import VersionTable

VERSIONS = VersionTable("system_version", SCHEMA)
LOOK = text(
    "SELECT current_user, session_user = :schema, to_regnamespace(:schema) IS NOT NULL,"
    " has_database_privilege(current_database(), 'CREATE')"
)


def configure(connection: Connection | None = None, **how: Any) -> None:
    if connection is not None:  # before Alembic looks: the transaction that this begins is then not Alembic's to end
        connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": SCHEMA})
    context.configure(connection=connection, **how, version_table=VERSIONS.name, version_table_schema=VERSIONS.schema)
    if connection is None:
        context.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        context.execute(f"SET search_path TO {SCHEMA}")
    elif "connection" in context.config.attributes or not context.get_context().opts.get("dont_mutate"):
        make_schema(connection)  # not for whoever only looks on a connection of their own


def make_schema(connection: Connection) -> None:
    """Raises PrivilegeMissing, and PegasusError where the schema would catch what the user leaves unqualified."""
    user, is_users_name, there, may_create = connection.execute(LOOK, {"schema": SCHEMA}).one()
    if is_users_name:
        raise PegasusError(f"The database user must not be called {SCHEMA}, as Pegasus's own schema is: use another.")
    if not there and not may_create:
        remedy = f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {quoted(user)};"
        raise PrivilegeMissing(user, f"create the schema {SCHEMA}", remedy)
    if not there:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))


run(configure, versions=VERSIONS)
