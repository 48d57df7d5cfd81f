"""One of many: a database with an address of its own, or a schema of the project's database."""

import copy
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError

from ..observation.observe import VersionTable
from ..schema.errors import ReconcileError
from ..scratch.database import connecting_to
from ..tape.project import Project
from ..tape.tape import Tape

_OWN_NAME = "{schema}"
_DIALECTS = ("postgresql", "postgres")
_SCHEMAS = text(
    "SELECT CAST(n.nspname AS text) FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.~~)"
    " CAST(:pattern AS text) AND NOT pg_catalog.starts_with(CAST(n.nspname AS text), 'pg_'::text)"
    " AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'::name ORDER BY 1"
)
# Behind the schema itself: those that hold extensions and no tables, as where names are resolved when it is looked at.
_PATH = text(
    "SELECT pg_catalog.concat_ws(', '::text, pg_catalog.quote_ident(CAST(:schema AS text)), pg_catalog.string_agg("
    " DISTINCT pg_catalog.quote_ident(n.nspname::text), ', '::text)) FROM pg_catalog.pg_extension x"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) x.extnamespace"
    " AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'::name WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c"
    " WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relkind OPERATOR(pg_catalog.=) 'r'::\"char\""
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid OPERATOR(pg_catalog.=) c.oid"
    " AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)"
    " AND d.deptype OPERATOR(pg_catalog.=) 'e'::\"char\"))"
)


class AddressUnfit(ReconcileError):
    """A line of a file of addresses is none; it isn't printed, for it may hold a password."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(
            f"Line {line} of {file} is no address of a PostgreSQL database, such as postgresql://host/name"
        )
        self.line = line


class NothingNamed(ReconcileError):
    """There is no database in the file, or no schema like the pattern."""


class VersionElsewhere(ReconcileError):
    """The chain's version table doesn't lie in the schema of its objects."""

    def __init__(self, versions: VersionTable) -> None:
        super().__init__(
            f"env.py keeps the version of every schema in one table, {versions.qualified}: one of many schemas has a"
            " version table of its own. Leave version_table_schema out, or let it be the schema of the objects"
        )


@dataclass(frozen=True)
class Target:
    """A database with its address, or a schema; `name` is what is printed, and has no password."""

    name: str
    address: URL | None = None
    schema: str | None = None


def addresses_in(file: Path) -> tuple[Target, ...]:
    """The databases of a file with an address a line; empty lines and those with # don't count.

    Raises:
        AddressUnfit: a line is something else.
        NothingNamed: there is none.
    """
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    targets = tuple(_target(line.strip(), file, at) for at, line in lines if line.strip() and line.strip()[0] != "#")
    if not targets:
        raise NothingNamed(f"{file.name} names no database")
    return targets


def _target(line: str, file: Path, at: int) -> Target:
    try:
        address = make_url(line)
    except (ArgumentError, ValueError):
        raise AddressUnfit(file.name, at) from None
    if address.drivername.partition("+")[0] not in _DIALECTS or not address.database:
        raise AddressUnfit(file.name, at)
    host = address.host or address.query.get("host") or ""
    port = f":{address.port}" if address.port else ""
    return Target(f"{host}{port}/{address.database}", address=address)


def schemas_like(connection: Connection, pattern: str) -> tuple[Target, ...]:
    """The schemas of a database whose names are like a pattern with `*` and `?`.

    Raises:
        NothingNamed: there is none.
    """
    escaped = "".join("\\" + sign if sign in "\\%_" else {"*": "%", "?": "_"}.get(sign, sign) for sign in pattern)
    with connection.begin() as transaction:
        names = connection.scalars(_SCHEMAS, {"pattern": escaped}).all()
        transaction.rollback()
    if not names:
        raise NothingNamed(f"No schema of this database is like {pattern}")
    return tuple(Target(name, schema=name) for name in names)


def in_schema(tape: Tape, schema: str) -> Tape:
    """The tape, for the same objects in another schema; what has been derived from it is shared.

    Raises:
        VersionElsewhere: the version table isn't among them.
    """
    if tape.versions.schema not in (None, tape.schema):
        raise VersionElsewhere(tape.versions)
    other = copy.copy(tape)
    vars(other).update(schema=schema, versions=VersionTable(tape.versions.name, schema))
    return other


def project_of_target(project: Project, target: Target) -> Project:
    """The project as it is in a target; `{schema}` in an argument for env.py becomes the name of its schema."""
    if target.schema is None:
        return project
    config = copy.copy(project.config)
    arguments = [argument.replace(_OWN_NAME, target.schema) for argument in getattr(config.cmd_opts, "x", None) or ()]
    config.cmd_opts = Namespace(x=arguments)
    return replace(project, config=config, tape=in_schema(project.tape, target.schema))


def path_of(connection: Connection, schema: str | None = None) -> str:
    """The search path of a schema: itself, and those that hold extensions and no tables."""
    path: str = connection.scalar(_PATH, {"schema": schema})
    return path


@contextmanager
def on_target(connection: Connection, target: Target) -> Iterator[Connection]:
    """A connection to the target, made as `connection` was; so are those that env.py makes inside of the block."""
    path: str | None = None
    if target.schema is not None:
        path = path_of(connection, target.schema)
        connection.rollback()
    database = connection.engine.url.database if target.address is None else target.address.database
    with connecting_to(connection.engine, database or "", target.address, path=path) as engine, engine.connect() as own:
        yield own
