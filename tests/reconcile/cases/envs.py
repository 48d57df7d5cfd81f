"""The env.py of the projects in the cases, by name."""

# As Alembic's own template has it: it reads the address, and opens a connection of its own.
TEMPLATE = """
from alembic import context
from sqlalchemy import engine_from_config, pool

engine = engine_from_config(context.config.get_section("alembic"), prefix="sqlalchemy.", poolclass=pool.NullPool)


def run_offline():
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online():
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=None{options})
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
"""
# As Alembic's cookbook has it: a connection may be given by whoever calls.
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
# One after the other, whatever they are; `{setup}` is done on each connection first.
LOOP = """
from alembic import context
from sqlalchemy import create_engine, pool, text

url = context.config.get_main_option("sqlalchemy.url")
for name in {names}:
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        {setup}
        context.configure(connection=connection{options})
        with context.begin_transaction():
            context.run_migrations()
"""
# As Alembic's template for several databases has it: all are connected to first, and committed together.
MULTIDB = """
from alembic import context
from sqlalchemy import create_engine, pool

url = context.config.get_main_option("sqlalchemy.url")
engines = {}
for name in ("first", "second"):
    engines[name] = create_engine(url, poolclass=pool.NullPool).connect()
try:
    for name, connection in engines.items():
        connection.begin()
        context.configure(connection=connection, upgrade_token=f"{name}_upgrades", version_table=f"versions_{name}")
        context.run_migrations(engine_name=name)
    for connection in engines.values():
        connection.commit()
finally:
    for connection in engines.values():
        connection.close()
"""
# What has to be there before Alembic begins is made by env.py itself; `{first}` is done on a connection, then the rest.
PREPARING = """
import sys
from types import SimpleNamespace
from alembic import context
from sqlalchemy import create_engine, pool

url = context.config.get_main_option("sqlalchemy.url")
db = sys.modules.setdefault("db_of_the_case", SimpleNamespace(engine=create_engine(url{engine})))
MAKE = "CREATE SCHEMA IF NOT EXISTS app"
{before}
with db.engine.connect() as connection:
    {on_it}
    context.configure(connection=connection, version_table_schema="app")
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
"""


def preparing(before: str = "", *, on_it: str = "pass", engine: str = ", poolclass=pool.NullPool") -> str:
    """An env.py that makes a schema: beforehand, or on the connection of the migrations; its engine lasts."""
    return PREPARING.format(before=before, on_it=on_it, engine=engine)


IN_SCHEMA = """connection.execute(text(f'SET search_path TO "{name}"'))
        connection.commit()"""
TRANSLATED = "connection = connection.execution_options(schema_translate_map={None: name})"

ENVS = {
    "template": TEMPLATE.format(options=""),
    "transaction_per_migration": TEMPLATE.format(options=", transaction_per_migration=True"),
    "named versions": TEMPLATE.format(options=', version_table="versions"'),
    "own_versions": TEMPLATE.format(options=', version_table="our_versions"'),
    "version_schema": TEMPLATE.format(options=', version_table_schema="ours"'),
    "not_transactional": TEMPLATE.format(options=", transactional_ddl=False"),
    "autocommit": TEMPLATE.format(options="").replace("poolclass", 'isolation_level="AUTOCOMMIT", poolclass'),
    "autocommit on a connection": TEMPLATE.format(options="").replace(
        "engine.connect()", 'engine.connect().execution_options(isolation_level="AUTOCOMMIT")'
    ),
    "begun": TEMPLATE.format(options="").replace("engine.connect()", "engine.begin()"),
    "translated": TEMPLATE.format(options="").replace(
        "engine.connect()", 'engine.connect().execution_options(schema_translate_map={None: "app"})'
    ),
    "translated_whole": TEMPLATE.format(options=', version_table_schema="app"').replace(
        "engine.connect()", 'engine.connect().execution_options(schema_translate_map={None: "app"})'
    ),
    "as_a_role": TEMPLATE.format(options="")
    .replace(
        "\n\n\n", '\nevent.listen(engine, "connect", lambda raw, _: raw.execute("SET search_path TO app"))\n\n\n', 1
    )
    .replace("engine_from_config, pool", "engine_from_config, event, pool"),
    "given": GIVEN,
    "multidb": MULTIDB,
    "two databases in turn": LOOP.format(names=("first", "second"), setup="pass", options=""),
    "two schemas in turn": LOOP.format(names=("one", "two"), setup=IN_SCHEMA, options=""),
    "two schemas by version tables": LOOP.format(
        names=("one", "two"), setup=IN_SCHEMA, options=", version_table_schema=name"
    ),
    "two schemas by translation": LOOP.format(
        names=("one", "two"), setup=TRANSLATED, options=', version_table=f"versions_{name}"'
    ),
    "one database of a list": LOOP.format(names=("only",), setup="pass", options=""),
    "looked at first": LOOP.format(
        names=("only",), setup="connection.scalar(text('SELECT 1')); connection.commit()", options=""
    ),
}
