"""Somebody who may create in a database plants what fits better than PostgreSQL's own: a superuser's look runs none.

The functions and operators are those that the look itself is seen to use, whatever they are. Each of the planted ones
counts how often it is called, by a sequence: what that counts isn't taken back with a transaction.
"""

import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, event

from reconcile.__main__ import main
from tests.programs import ran

from .cases.case import Case
from .cases.databases import Server
from .cases.project import write_project

CHAIN = Case(
    id="planted",
    why="",
    env="given",
    revisions=(
        """
op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))
op.create_index("people_email", "people", ["email"])
op.execute("CREATE VIEW known AS SELECT id FROM people WHERE email IS NOT NULL")
op.execute("CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql RETURN 2 * n")
""",
    ),
    right=("current",),
)
COUNT = "CREATE SEQUENCE public.called"
WAS_CALLED = "SELECT is_called FROM public.called"
NAME = re.compile(r"([a-z_]\w*)\s*\(")
SYMBOL = re.compile(r"[-+*/<>=~!@#%^&|?]+")
TYPES = ("name", "text", "varchar", '"char"', "oid", "integer", "smallint", "bigint", "boolean", "name[]", "text[]")
BODY = "BEGIN PERFORM pg_catalog.nextval('public.called'); RETURN NULL; END"
# Each in a block of its own: what PostgreSQL doesn't allow isn't planted.
PLANT_FUNCTION = """
DO $do$ BEGIN CREATE FUNCTION public.{name}({arguments}) RETURNS {returns} LANGUAGE plpgsql AS {body};
EXCEPTION WHEN OTHERS THEN NULL; END $do$
"""
PLANT_OPERATOR = """
DO $do$ BEGIN
CREATE FUNCTION public.{function}({left}, {right}) RETURNS {returns} LANGUAGE plpgsql AS {body};
CREATE OPERATOR public.{symbol} (FUNCTION = public.{function}, LEFTARG = {left}, RIGHTARG = {right});
EXCEPTION WHEN OTHERS THEN NULL; END $do$
"""
FUNCTIONS = """
SELECT p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid)
FROM pg_proc p WHERE p.proname = ANY (%s) AND p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
"""
OPERATORS = """
SELECT o.oprname, format_type(o.oprleft, NULL), format_type(o.oprright, NULL), format_type(o.oprresult, NULL)
FROM pg_operator o WHERE o.oprname = ANY (%s) AND o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b'
"""
DRIVERS_OWN = {"current_schema", "version"}  # SQLAlchemy itself asks these of each new connection


class Attacked:
    """A project whose database is at its head, and whoever plants something there."""

    def __init__(self, folder: Path, server: Server, database: str) -> None:
        self.folder = folder
        self.server = server
        self.database = database
        write_project(CHAIN, folder, url="")
        for command in (("record",), ("heal",)):
            assert self.reconcile(*command).returncode == 0

    def reconcile(self, *arguments: str) -> CompletedProcess[str]:
        """The command line, as a superuser calls it."""
        address = self.server.at(self.database).replace("://", "+psycopg://")
        with chdir(self.folder):
            arguments = (*arguments, "-c", str(self.folder / "alembic.ini"))
            return ran(main, *arguments, CASE_DATABASE=address)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that itself runs nothing of what is planted."""
        address = self.server.at(self.database)
        with psycopg.connect(address, autocommit=True, options="-c search_path=pg_catalog") as connection:
            yield connection

    def run(self, *statements: str) -> None:
        """Plants something."""
        with self.connection() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def used(self) -> tuple[set[str], set[str]]:
        """The words that stand where a function's name does in the SQL of a look, and the operators."""
        texts: list[str] = []

        def listen(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
            texts.append(re.sub(r"--[^\n]*", "", text))

        event.listen(Engine, "before_cursor_execute", listen)
        try:
            assert self.reconcile("status").returncode == 0
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
        whole = "\n".join(texts)
        return set(NAME.findall(whole)), set(SYMBOL.findall(whole)) | {"=", "<>", "||", "~~"}

    def check_only_looked(self) -> None:
        """Looking and healing find nothing to do, change nothing and call nothing that was planted."""
        before = self.server.picture(self.database)
        for command in ("status", "plan", "heal"):
            done = self.reconcile(command)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
            assert done.stdout.startswith("current:")
            assert not self.called(), f"{command} has called what was planted"
        assert self.server.picture(self.database) == before

    def called(self) -> bool:
        """Whether anything that was planted has been called."""
        with self.connection() as connection:
            row = connection.execute(WAS_CALLED).fetchone()
        assert row
        return bool(row[0])


@pytest.fixture
def attacked(server_address: str, tmp_path: Path) -> Iterator[Attacked]:
    """A healthy database in which somebody may create whatever they like."""
    server = Server(server_address)
    with server.database() as database:
        attacked = Attacked(tmp_path / "project", server, database)
        attacked.run(COUNT)
        yield attacked


def test_better_fitting_functions(attacked: Attacked) -> None:
    """Functions of the names that a look calls, for every pair of types that catalogs have, are not called."""
    names, _ = attacked.used()
    attacked.run(
        *(
            plant(name, arguments=", ".join(types), returns="text")
            for name in names
            for types in [(one,) for one in TYPES] + [(one, two) for one in TYPES[:6] for two in TYPES[:8]]
        )
    )
    assert planted(attacked, "pg_proc") > 100
    attacked.check_only_looked()


def test_better_fitting_operators(attacked: Attacked) -> None:
    """Operators of the kinds that a look uses, for every pair of types that catalogs have, are not used."""
    _, symbols = attacked.used()
    pairs = [(one, two) for one in TYPES for two in TYPES]
    attacked.run(
        *(
            plant_operator(symbol, left, right, returns="boolean", number=number)
            for number, (symbol, (left, right)) in enumerate((symbol, pair) for symbol in symbols for pair in pairs)
        )
    )
    assert planted(attacked, "pg_operator") > 100
    attacked.check_only_looked()


def test_an_operator_for_which_the_driver_looks(attacked: Attacked) -> None:
    """The query by which psycopg is asked for a type of an extension isn't sent by what only looks."""
    attacked.run(plant_operator("=", "oid", "regtype", returns="boolean", number=1))
    assert planted(attacked, "pg_operator") == 1
    for command in ("status", "plan", "history"):
        looked = attacked.reconcile(command)
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert not attacked.called(), f"{command} has used the operator"


def test_temporary_tables_of_our_names(attacked: Attacked) -> None:
    """What each session finds under our names in its own temporary schema isn't taken for ours, nor changed."""
    attacked.run(
        """
        CREATE FUNCTION public.welcome() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('search_path') = 'pg_catalog' THEN RETURN; END IF; -- it is the test that looks
            CREATE TEMP TABLE alembic_version AS SELECT 'r9'::text AS version_num;
            CREATE TEMP TABLE people (id int, wrong int);
            CREATE TEMP TABLE known (id int);
        END $$
        """,
        "CREATE EVENT TRIGGER welcome ON login EXECUTE FUNCTION public.welcome()",
    )
    attacked.check_only_looked()
    attacked.run("DROP INDEX public.people_email")
    healed = attacked.reconcile("heal")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    with attacked.connection() as connection:
        where = connection.execute("SELECT schemaname, tablename FROM pg_indexes WHERE indexname = 'people_email'")
        assert where.fetchall() == [("public", "people")]
        assert connection.execute("SELECT version_num FROM public.alembic_version").fetchall() == [("r1",)]


@pytest.mark.parametrize("moment", ["ddl_command_start", "ddl_command_end", "sql_drop"])
def test_event_triggers(attacked: Attacked, moment: str) -> None:
    """A look at definitions in other words makes nothing that another's event trigger would run for."""
    attacked.run(
        "DROP VIEW public.known",
        "CREATE VIEW public.known AS SELECT p.id FROM public.people p WHERE (NOT (p.email IS NULL))",
        "DROP INDEX public.people_email",
        "CREATE INDEX people_email ON public.people USING btree (email DESC)",
        "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_catalog.nextval('public.called'); END $$",
        f"CREATE EVENT TRIGGER watch ON {moment} EXECUTE FUNCTION public.watch()",
    )
    before = attacked.server.picture(attacked.database)
    for command in ("status", "plan"):
        looked = attacked.reconcile(command)
        assert looked.returncode == 20, looked.stdout + looked.stderr
        assert not attacked.called(), f"{command} has run an event trigger"
    assert attacked.server.picture(attacked.database) == before


def test_a_version_table_that_is_a_view(attacked: Attacked) -> None:
    """A view in the version table's place, whose query calls what it likes, isn't read."""
    attacked.run(
        "ALTER TABLE public.alembic_version RENAME TO versions",
        "CREATE VIEW public.alembic_version AS SELECT version_num FROM public.versions"
        " WHERE pg_catalog.nextval('public.called') > 0",
    )
    before = attacked.server.picture(attacked.database)
    for command in ("status", "plan", "heal"):
        looked = attacked.reconcile(command)
        assert looked.returncode != 0
        assert "alembic_version" in looked.stdout + looked.stderr
        assert not attacked.called(), f"{command} has read the view"
    assert attacked.server.picture(attacked.database) == before


def plant(name: str, *, arguments: str, returns: str) -> str:
    """SQL for a function that counts its calls."""
    return PLANT_FUNCTION.format(name=name, arguments=arguments, returns=returns, body=quoted(BODY))


def plant_operator(symbol: str, left: str, right: str, *, returns: str, number: int) -> str:
    """SQL for an operator that counts its uses."""
    function = f"planted_{number}"
    return PLANT_OPERATOR.format(
        symbol=symbol, function=function, left=left, right=right, returns=returns, body=quoted(BODY)
    )


def quoted(text: str) -> str:
    return sql.Literal(text).as_string()


def planted(attacked: Attacked, catalog: str) -> int:
    """How many of them there are."""
    with attacked.connection() as connection:
        rows = connection.execute(f"SELECT FROM {catalog} WHERE oid >= 16384".encode()).fetchall()
    return len(rows)
