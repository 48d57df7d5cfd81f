"""Limits the queries on the catalogs to some schemas and names, so that their cost doesn't grow with the database.

The values are sent as text[]: asyncpg would look name[] up in the catalogs of each new session, which takes a third of
what PostgreSQL needs for a look.
"""

from collections.abc import Collection
from functools import lru_cache

from ..sql.names import names_in

_EVERY_SCHEMA = "n.nspname <> 'information_schema'::text AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)"
_THESE_SCHEMAS = "n.nspname = ANY (CAST(CAST(:schemas AS text[]) AS name[]))"
# Relations of these names; also the indexes of the tables among them, the tables of the indexes, and the sequences.
_REACHED = """named AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN scope s ON s.oid = c.relnamespace
    WHERE c.relname = ANY (CAST(CAST(:plain AS text[]) AS name[]))
),
reached AS (
    SELECT n.oid FROM named n
    UNION SELECT x.indexrelid FROM pg_catalog.pg_index x JOIN named n ON n.oid = x.indrelid
    UNION SELECT x.indrelid FROM pg_catalog.pg_index x JOIN named n ON n.oid = x.indexrelid
    UNION SELECT p.objid FROM pg_catalog.pg_depend p JOIN named n ON n.oid = p.refobjid
    WHERE p.refclassid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
      AND p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
    UNION SELECT p.refobjid FROM pg_catalog.pg_depend p JOIN named n ON n.oid = p.objid
    WHERE p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
      AND p.refclassid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
),"""
_OF_NAMES = {
    "reached": _REACHED,
    "relations": "JOIN reached q ON q.oid = c.oid",
    "types": "AND t.typname = ANY (CAST(CAST(:plain AS text[]) AS name[]))",
    "functions": "AND p.proname = ANY (CAST(CAST(:plain AS text[]) AS name[]))",
}


def limited(query: str, *, schemas: bool, names: bool) -> str:
    """A query with its marks replaced: `:schemas` and `:plain` limit it, or nothing does."""
    conditions = {"schemas": _THESE_SCHEMAS if schemas else _EVERY_SCHEMA}
    conditions |= _OF_NAMES if names else dict.fromkeys(_OF_NAMES, "")
    for mark, condition in conditions.items():
        query = query.replace(f"/* {mark} */", condition)
    return query


@lru_cache(maxsize=64)
def plain_names(names: frozenset[str]) -> tuple[str, ...]:
    """The parts of qualified names, unquoted, as the catalogs have them."""
    return tuple(sorted({part for name in names for part in names_in(name)}))


def plain(names: Collection[str] | None) -> list[str] | None:
    """The value for `:plain`."""
    return None if names is None else list(plain_names(frozenset(names)))
