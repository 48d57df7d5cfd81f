"""observe: the live database -> what it holds, in two queries on the system catalogs, whatever its size.

What PostgreSQL's majors spell differently is left out or brought to one form here, so that a tape recorded on one
major fits a database on another.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from ..schema.errors import ReconcileError
from ..schema.schema import Key, Schema, unquoted
from .limits import limited, plain

PREAMBLE_SQL = text((Path(__file__).parent / "preamble.sql").read_text(encoding="utf-8"))
_HOLDS_VERSIONS = ("r", "p")  # to read a view runs what it calls, whoever made it
VERSION = "coalesce(CAST(version_num AS text), 'NULL')"  # whatever somebody's table of that name may hold
_CATALOG = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "catalog").glob("*.sql")}
_ALWAYS_LOOKED_AT = ("table", "column", "constraint", "index", "schema")


_OTHERS = text(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = CAST(:home AS text) AND c.relkind IN ('r'::\"char\", 'p'::\"char\")"
    " AND c.relname <> CAST(:versions AS text)"
    " AND NOT (pg_catalog.quote_ident(c.relname::text) = ANY (CAST(:ours AS text[]))))"
)


_CHOICE = text(
    "SELECT pg_catalog.quote_ident(CAST(current_user AS text)), pg_catalog.current_setting('search_path'),"
    " (SELECT pg_catalog.quote_ident(CAST(n.nspname AS text)) FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY ("
    " pg_catalog.string_to_array(pg_catalog.replace(pg_catalog.replace(pg_catalog.current_setting('search_path'),"
    " '\"$user\"', CAST(current_user AS text)), ' ', ''), ','))"
    " AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') LIMIT 1)"
)


@dataclass(frozen=True)
class VersionTable:
    """Where Alembic keeps its version: the table's name and schema; None is where the connection's names resolve."""

    name: str = "alembic_version"
    schema: str | None = None

    @property
    def qualified(self) -> str:
        """The name for SQL, quoted."""
        parts = (self.name,) if self.schema is None else (self.schema, self.name)
        return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


_VARCHARS = re.compile(r"\(\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]\)")
_VARCHAR = re.compile(r"'(?:[^']|'')*'::character varying")


def _settled(definition: str) -> str:
    """`IN (…)` on a varchar as PostgreSQL spells it when its own spelling is given back to it: only that one stays."""
    return _VARCHARS.sub(
        lambda match: f"(ARRAY[{_VARCHAR.sub(lambda one: f'({one[0]})::text', match[1])}])", definition
    )


_FROM = re.compile(r"\bFROM (?:[\w\"]+\.)?([\w\"]+)(?: (?!WHERE|GROUP|ORDER|LIMIT|UNION)([\w\"]+))?")


def _unqualified(view: str) -> str:
    """A view of one table without the table's name before each column: PostgreSQL 16 leaves it out, 15 doesn't."""
    sources = _FROM.findall(view)
    if len(sources) != 1 or " JOIN " in view or re.search(r"\bFROM [^\n;]*,", view):
        return view
    table, alias = sources[0]
    return re.sub(rf"(?<![\w.\"']){re.escape(alias or table)}\.(?=[\w\"])", "", view)


def digest_of(value: Any) -> str:
    """A short hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


class VersionTableStrange(ReconcileError):
    """What has the name of Alembic's version table has no rows that Alembic could change, or not its column."""

    def __init__(self, versions: VersionTable, reason: str) -> None:
        super().__init__(f"{versions.qualified} isn't Alembic's version table: {reason}.")
        self.versions = versions
        self.reason = reason


class NoSchemaChosen(ReconcileError):
    """No schema on the connection's search path can be used: nobody's tables can be looked for.

    `closed` is one that is there, which the user may not use.
    """

    def __init__(self, user: str, *, path: str, closed: str | None) -> None:
        if closed:
            remedy = f"GRANT USAGE, CREATE ON SCHEMA {closed} TO {user};"
        else:
            remedy = f"ALTER ROLE {user} SET search_path = public;"
        super().__init__(
            f"{user} may use no schema on its search_path, which is {path or 'empty'}, so there is nowhere to look for"
            f" tables. An administrator can run: {remedy}"
        )
        self.user = user
        self.remedy = remedy


@dataclass(frozen=True)
class Observation:
    """What a database holds, and which revisions it claims to be at; `claimed` is None without a version table.

    `home` is the schema that was looked at as ours, and `versions` the version table in it. `path` is the search path
    on which names are spelled as they are here, `given_path` the connection's own. `version_length` is how many
    characters an id on record may have, None where there is no limit. `details` tell more of some objects than is
    compared: the storage parameters of an index, whose a sequence is, whether row security binds this user, whether the
    triggers of a foreign key are disabled, and whether a materialized view can be read.
    """

    schema: Schema
    claimed: tuple[str, ...] | None
    home: str = "public"
    path: str = "public"
    given_path: str = "public"
    versions: VersionTable = field(default_factory=VersionTable)
    version_length: int | None = None
    details: Mapping[Key, str] = field(default_factory=dict)

    @property
    def enums(self) -> tuple[str, ...]:
        """The names of the enum types in our schema, unquoted."""
        enums = (key for key, text in self.schema.items() if key.kind == "type" and text.startswith("enum "))
        return tuple(unquoted(key.name) for key in enums if not key.schema)

    @property
    def digest(self) -> str:
        """A short hash of the schema and of what is claimed."""
        return digest_of([sorted((str(key), text) for key, text in self.schema.items()), self.claimed])


def has_others(connection: Connection, observation: Observation, ours: Collection[str]) -> bool:
    """Whether tables that aren't among `ours` lie in our schema, beside the version table."""
    others = {"home": observation.home, "versions": observation.versions.name, "ours": sorted(ours)}
    return bool(connection.scalar(_OTHERS, others))


@cache
def catalog_query(kinds: str, *, schemas: bool, names: bool) -> str:
    """The query for the objects of some kinds, limited by `:schemas` and `:plain` where it says so."""
    query = _CATALOG["scope"] + "UNION ALL\n".join(_CATALOG[name] for name in (*_ALWAYS_LOOKED_AT, *kinds.split()))
    return limited(query, schemas=schemas, names=names)


def observe(
    connection: Connection,
    *,
    versions: VersionTable,
    schema: str | None = None,
    schemas: Collection[str] | None = None,
    names: Collection[str] | None = None,
) -> Observation:
    """Reads the catalogs, in the connection's transaction; nothing but PostgreSQL's own functions is called.

    `schema` is ours, None for the one where the connection's names resolve. `names` limits the look to the objects of
    these names and to everything on tables among them, `schemas` to these schemas and ours; None looks at all. Names in
    our schema stand unqualified. The search path is pinned to it, and to where extensions lie, for the rest of the
    transaction: the catalogs spell names relative to the search path.

    Raises:
        NoSchemaChosen: the connection's names resolve nowhere.
        VersionTableStrange: what should be Alembic's version table is something else.
    """
    home, kind, length, given_path, path, _, kinds = connection.execute(
        PREAMBLE_SQL, {"schema": schema, "version_table": versions.name, "version_schema": versions.schema}
    ).one()
    if home is None:
        user, path, closed = connection.execute(_CHOICE).one()
        raise NoSchemaChosen(user, path=path, closed=closed)
    versions = VersionTable(versions.name, versions.schema or home)
    if kind is not None and kind not in _HOLDS_VERSIONS:
        raise VersionTableStrange(versions, "it is a view, or something else that only looks like a table")
    if kind is not None and length is None:
        raise VersionTableStrange(versions, "it has no column version_num")
    query = catalog_query(kinds, schemas=schemas is not None, names=names is not None)
    if kind is not None:
        query += f"UNION ALL SELECT 'version', '', '', {VERSION}, '', 0, '' FROM {versions.qualified}"  # noqa: S608 - quoted
    rows = connection.execute(
        text(f"{query}\nORDER BY 6, 1, 2, 3, 4"),
        {
            "schema": home,
            "names": None if names is None else sorted(names),
            "version_table": versions.name,
            "version_schema": versions.schema,
        }
        | ({} if schemas is None else {"schemas": sorted({home, *schemas})})
        | ({} if names is None else {"plain": plain(names)}),
    ).all()
    claimed = tuple(sorted(name for kind, _, _, name, *_ in rows if kind == "version"))
    objects = [
        (Key(kind, schema_, table, name), _settled(_unqualified(definition) if "view" in kind else definition), detail)
        for kind, schema_, table, name, definition, _, detail in rows
        if kind != "version"
    ]
    return Observation(
        schema={key: definition for key, definition, _ in objects},
        claimed=claimed if kind is not None else None,
        home=home,
        path=path,
        given_path=given_path,
        versions=versions,
        version_length=length if length and length > 0 else None,
        details={key: detail for key, _, detail in objects if detail},
    )
