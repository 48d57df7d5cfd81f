"""Databases for cases: made and copied, asked, and compared as a whole with what they were before."""

import re
import subprocess
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg

from core.postgres.binaries import find_binaries

# Every catalog in which something lies that a person has made, but for what PostgreSQL itself counts in it.
CATALOGS = (
    "pg_attrdef",
    "pg_attribute",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_partitioned_table",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_range",
    "pg_rewrite",
    "pg_sequence",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_ts_config",
    "pg_type",
)
# The column that tells whose a row is, where that isn't `oid`; catalogs of few rows are looked at as a whole.
OWNERS = {
    "pg_attribute": "attrelid",
    "pg_db_role_setting": "",
    "pg_description": "objoid",
    "pg_foreign_table": "",
    "pg_index": "indexrelid",
    "pg_inherits": "",
    "pg_partitioned_table": "",
    "pg_range": "",
    "pg_sequence": "",
}
COUNTED = "{reltuples,relpages,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex}"
MADE = 16384  # the first OID of objects that weren't there when the cluster was made
TABLES = f"""
SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND c.oid >= {MADE} AND relpersistence <> 't' AND nspname <> 'pg_toast'
AND (relkind <> 'm' OR relispopulated) ORDER BY 1
"""
NOT_OURS = re.compile(r"--|\\|SET |SELECT pg_catalog\.set_config|$")
SUPERUSER = "pegasus"
PASSWORD = "the-roles"
EMPTY = "template0"


class Server:
    """A server on which the databases of cases lie."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._programs, _ = find_binaries()
        self._administrator: psycopg.Connection | None = None

    def at(self, database: str, *, role: str = SUPERUSER) -> str:
        """The address of a database, for a role."""
        user = SUPERUSER if role == SUPERUSER else f"{role}:{PASSWORD}"
        return self.address.replace("//pegasus@/pegasus?", f"//{user}@/{database}?")

    def administer(self, statement: str) -> None:
        """Runs what makes or drops a database or a role."""
        if self._administrator is None or self._administrator.closed:
            self._administrator = psycopg.connect(self.address, autocommit=True)
            weakref.finalize(self, self._administrator.close)
        self._administrator.execute(statement.encode())

    def run(self, *statements: str, database: str, role: str = SUPERUSER) -> None:
        """Runs texts of SQL, each as it stands, in a session of its own."""
        with psycopg.connect(self.at(database, role=role), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def value(self, query: str, *, database: str) -> str:
        """What a query answers, as `psql -At` prints it."""
        with psycopg.connect(self.at(database), autocommit=True) as connection:
            connection.execute("SET DateStyle TO ISO")
            cursor = psycopg.RawCursor(connection)
            row = cursor.execute(query.encode()).fetchone()
            values = [cursor.pgresult.get_value(0, at) for at in range(len(row))] if row and cursor.pgresult else []
        return "|".join("" if value is None else value.decode() for value in values)

    @contextmanager
    def database(self, *, template: str = EMPTY, encoding: str = "UTF8", owner: str = SUPERUSER) -> Iterator[str]:
        """A new database, for as long as the block lasts."""
        name = f"case_{uuid4().hex[:16]}"
        made = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY OWNER {owner}"
        self.administer(made if encoding == "UTF8" else f"{made} ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'")
        try:
            yield name
        finally:
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def role(self) -> Iterator[str]:
        """A role that may log in, make databases, and nothing else."""
        name = f"role_{uuid4().hex[:16]}"
        self.administer(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        try:
            yield name
        finally:
            self.administer(f"DROP ROLE {name}")

    def picture(self, database: str) -> Counter[str]:
        """Every row of every catalog and table, with the transaction that wrote it."""
        options = "-c search_path=pg_catalog"  # whatever somebody has planted elsewhere
        with psycopg.connect(self.at(database), autocommit=True, options=options) as connection:
            tables = [_text(row[0]) for row in connection.execute(TABLES)]
            whole = " UNION ALL ".join(
                f"SELECT '{name} ' || x.xmin || (to_jsonb(x) - '{COUNTED}'::text[])::text FROM {name} x{where}"
                for name, where in [*((name, _made(name)) for name in CATALOGS), *((name, "") for name in tables)]
            )
            return Counter(_text(row[0]) for row in connection.execute(whole.encode(errors="surrogateescape")))

    def psql(self, text: str, *, database: str) -> None:
        """Runs a script by psql, which has to end well."""
        command = [str(self._programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", self.at(database)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def outline(self, database: str) -> Counter[str]:
        """The lines in which pg_dump tells the schema, whose order is no matter, as that of columns."""
        dumped = subprocess.run(
            [
                self._programs / "pg_dump",
                "--schema-only",
                "--no-owner",
                "--exclude-schema=reconcile",
                self.at(database),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        lines = (line.strip().rstrip(",") for line in dumped.stdout.splitlines())
        return Counter(line for line in lines if not NOT_OURS.match(line))


def _text(value: str | bytes) -> str:
    """A value as text: from a database without an encoding it comes as bytes."""
    return value if isinstance(value, str) else value.decode(errors="surrogateescape")


def _made(catalog: str) -> str:
    """Which rows of a catalog are about what somebody has made to stay."""
    if catalog == "pg_namespace":
        return " WHERE nspname NOT LIKE 'pg\\_%'"
    column = OWNERS.get(catalog, "oid")
    return f" WHERE {column} >= {MADE}" if column else ""
