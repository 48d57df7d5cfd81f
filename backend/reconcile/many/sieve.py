"""Looks at many schemas in a few queries, to find those that are to the letter like one that is known to be healthy.

Definitions are read with no schema of theirs on the search path, so that all names of theirs come qualified. In these
the schema is replaced by a mark: two schemas with the same marked definitions and the same version are the same.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..observation.limits import plain
from ..observation.observe import VERSION, VersionTable, catalog_query
from ..tape.tape import Tape
from .target import path_of

_MARK = "\0"
_KINDS = "row_security sequence composite_type view policy trigger rule enum domain function"
_SETTINGS = text(
    "SELECT pg_catalog.set_config('search_path'::text, CAST(:path AS text), true),"
    " pg_catalog.set_config('quote_all_identifiers'::text, 'off'::text, true)"
)
_VERSION_TABLES = text(
    "SELECT CAST(n.nspname AS text), pg_catalog.quote_ident(CAST(n.nspname AS text)), a.atttypmod"
    " FROM pg_catalog.pg_namespace n"
    " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = CAST(:table AS name)"
    " AND (c.relkind = 'r'::\"char\" OR c.relkind = 'p'::\"char\")"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'version_num'::name"
    " AND a.attnum > 0::int2 AND NOT a.attisdropped WHERE n.nspname = ANY (CAST(CAST(:schemas AS text[]) AS name[]))"
)


class Fingerprint(NamedTuple):
    """All that can be seen of a schema, but for its name."""

    claimed: tuple[str, ...]
    version_length: int
    objects: frozenset[tuple[str, ...]]


class Sieve:
    """The fingerprints of schemas of one database, for one tape."""

    def __init__(self, connection: Connection, tape: Tape) -> None:
        self._connection = connection
        self._table = tape.versions.name
        self._plain = plain(tape.names)
        query = catalog_query(_KINDS, schemas=True, names=True)
        self._query = text(f"{query}\nORDER BY 2, 6, 1, 3, 4")

    def fingerprints(self, schemas: Sequence[str]) -> dict[str, Fingerprint]:
        """The fingerprints by schema, of those that have a version table and may be read."""
        with self._connection.begin() as transaction:
            try:
                return self._fingerprints(schemas)
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                return {}  # each is looked at by itself, and says what is the matter
            finally:
                transaction.rollback()

    def _fingerprints(self, schemas: Sequence[str]) -> dict[str, Fingerprint]:
        path = ", ".join(filter(None, (path_of(self._connection), "pg_temp")))
        self._connection.execute(_SETTINGS, {"path": path})
        tables = self._connection.execute(_VERSION_TABLES, {"table": self._table, "schemas": list(schemas)}).all()
        versioned = [(schema, quoted, length) for schema, quoted, length in tables if length is not None]
        if not versioned:
            return {}
        claims = self._claims([schema for schema, _, _ in versioned])
        objects = self._objects([schema for schema, _, _ in versioned])
        return {
            schema: Fingerprint(claims[at], length, objects.get(quoted, frozenset()))
            for at, (schema, quoted, length) in enumerate(versioned)
        }

    def _claims(self, schemas: Sequence[str]) -> list[tuple[str, ...]]:
        tables = [VersionTable(self._table, schema).qualified for schema in schemas]
        query = " UNION ALL ".join(f"SELECT {at}, {VERSION} FROM {table}" for at, table in enumerate(tables))  # noqa: S608 - quoted
        claims: list[list[str]] = [[] for _ in schemas]
        sent = self._connection.exec_driver_sql(query, execution_options={"no_parameters": True})
        for at, version in sent:
            claims[at].append(version)
        return [tuple(sorted(rows)) for rows in claims]

    def _objects(self, schemas: Collection[str]) -> dict[str, frozenset[tuple[str, ...]]]:
        """What lies in each schema, by its name for SQL."""
        values: dict[str, Any] = {"schema": None, "names": None, "version_schema": None}
        values |= {"plain": self._plain, "schemas": list(schemas), "version_table": self._table}
        by_schema: dict[str, list[tuple[str, ...]]] = {}
        for kind, schema, table, name, definition, _, detail in self._connection.execute(self._query, values):
            by_schema.setdefault(schema, []).append((kind, table, name, definition, detail))
        return {schema: frozenset(_marked(schema, rows)) for schema, rows in by_schema.items()}


def _marked(schema: str, rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    own = re.compile(rf'(?<![\w$"]){re.escape(schema)}\.')
    for row in rows:
        yield tuple(own.sub(_MARK, part) if schema in part else part for part in row)
