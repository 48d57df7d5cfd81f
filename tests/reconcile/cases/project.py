"""Writes the project of a case into a folder: its alembic.ini, its env.py and its revisions."""

from pathlib import Path

from .case import Case

INI = """
[alembic]
script_location = %(here)s
path_separator = os
sqlalchemy.url = {url}
"""
REVISION = """{head}import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parent!r}


def upgrade(**_names):
{body}
"""

# As Alembic's own template has it: it reads the address, and opens a connection of its own.
TEMPLATE = """
from alembic import context
from sqlalchemy import engine_from_config, pool

engine = engine_from_config(context.config.get_section("alembic"), prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None{options})
    with context.begin_transaction():
        context.run_migrations()
"""
GIVEN = """
import os
from alembic import context
from sqlalchemy import create_engine, pool


def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(os.environ["CASE_DATABASE"], poolclass=pool.NullPool).begin() as connection:
        run(connection)
"""
# As Alembic's template `multidb`: each of its databases in turn.
MULTIDB = """
from alembic import context
from sqlalchemy import create_engine, pool

url = context.config.get_main_option("sqlalchemy.url")
for name in ("first", "second"):
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, upgrade_token=f"{name}_upgrades")
        with context.begin_transaction():
            context.run_migrations(engine_name=name)
"""
ENVS = {
    "template": TEMPLATE.format(options=""),
    "transaction_per_migration": TEMPLATE.format(options=", transaction_per_migration=True"),
    "given": GIVEN,
    "multidb": MULTIDB,
}


def write_project(case: Case, folder: Path, *, url: str) -> Path:
    """Makes the folder a project whose database is at `url`; returns its alembic.ini."""
    (folder / "versions").mkdir(parents=True)
    ini = folder / "alembic.ini"
    ini.write_text(INI.format(url=url.replace("%", "%%")) + case.ini)
    (folder / "env.py").write_text(ENVS.get(case.env, case.env))
    (folder / "base.sql").write_text(case.base)
    parent = None
    for number, body in enumerate(case.revisions, start=1):
        name = f"r{number}"
        (folder / "versions" / f"{name}.py").write_text(
            REVISION.format(head=case.head, id=name, parent=parent, body=_indented(body))
        )
        parent = name
    return ini


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
