"""observe: the live database -> what it holds, in two queries on the system catalogs, whatever its size.

What PostgreSQL's majors spell differently is left out or brought to one form here, so that a tape recorded on one
major fits a database on another.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from reconcile.errors import ReconcileError
from reconcile.schema import Key, Schema

PREAMBLE_SQL = text(
    "SELECT set_config('search_path', quote_ident(:schema), true), to_regclass(:versions) IS NOT NULL, EXISTS"
    " (SELECT FROM pg_attribute WHERE attrelid = to_regclass(:versions) AND attname = 'version_num' AND attnum > 0)"
)
VERSION = "coalesce(CAST(version_num AS text), 'NULL')"  # whatever somebody's table of that name may hold
CATALOG_SQL = (Path(__file__).parent / "observe.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class VersionTable:
    """Where Alembic keeps its version: the table's name and schema."""

    name: str = "alembic_version"
    schema: str = "public"

    @property
    def qualified(self) -> str:
        """The name for SQL, quoted."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))


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
    """A table has the name of Alembic's version table, but not its column."""

    def __init__(self, versions: VersionTable) -> None:
        super().__init__(f"The table {versions.qualified} isn't Alembic's: it has no column version_num.")
        self.versions = versions


@dataclass(frozen=True)
class Observation:
    """What a database holds, and which revisions it claims to be at; `claimed` is None without a version table.

    `constraints` are the names of the constraints, by their keys in `schema`, which leave the names out.
    """

    schema: Schema
    claimed: tuple[str, ...] | None
    constraints: Mapping[Key, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A short hash of the schema and of what is claimed."""
        return digest_of([sorted(self.schema.items()), self.claimed])


def observe(
    connection: Connection,
    *,
    versions: VersionTable,
    schema: str = "public",
    schemas: Collection[str] | None = None,
    names: Collection[str] | None = None,
) -> Observation:
    """Reads the catalogs, in the connection's transaction.

    `names` limits the look to the objects of these names and to everything on tables among them, `schemas` to these
    schemas; None looks at all. Names in `schema` stand unqualified. The search path is pinned to it for the rest of
    the transaction: the catalogs spell names relative to the search path.

    Raises:
        VersionTableStrange: what should be Alembic's version table is something else.
    """
    _, has_versions, is_readable = connection.execute(
        PREAMBLE_SQL, {"schema": schema, "versions": versions.qualified}
    ).one()
    if has_versions and not is_readable:
        raise VersionTableStrange(versions)
    query = CATALOG_SQL
    if has_versions:
        query += f"\nUNION ALL SELECT 'version', {VERSION}, '', 0, '' FROM {versions.qualified}"  # noqa: S608 - quoted
    rows = connection.execute(
        text(f"{query}\nORDER BY 4, 1, 2"),
        {
            "schema": schema,
            "schemas": None if schemas is None else sorted(schemas),
            "names": None if names is None else sorted(names),
            "version_table": versions.name,
            "version_schema": versions.schema,
        },
    ).all()
    claimed = tuple(sorted(name for kind, name, *_ in rows if kind == "version"))
    objects = [
        (f"{kind} {_settled(name)}", _settled(_unqualified(definition) if "view" in kind else definition), constraint)
        for kind, name, definition, _, constraint in rows
        if kind != "version"
    ]
    return Observation(
        schema={key: definition for key, definition, _ in objects},
        constraints={key: constraint for key, _, constraint in objects if constraint},
        claimed=claimed if has_versions else None,
    )
