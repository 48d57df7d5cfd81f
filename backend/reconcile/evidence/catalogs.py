"""Looks up the names of a statement: its tables, and functions that aren't PostgreSQL's own.

The search path must be pg_catalog alone, so that these queries call no functions of others.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, text

from ..sql.names import quoted

_TABLES = text("""
SELECT n.nspname, c.relname, c.oid,
       c.relpersistence <> 't' AND NOT row_security_active(c.oid)
       AND NOT EXISTS (
           SELECT FROM pg_class part WHERE part.oid = ANY (tree.oids)
           AND (part.relkind NOT IN ('r', 'p') OR (part.relkind = 'r' AND part.relhassubclass))
       )
       AND NOT EXISTS (
           SELECT FROM pg_depend d
           WHERE d.refclassid IN (CAST('pg_proc' AS regclass), CAST('pg_operator' AS regclass)) AND d.refobjid >= 16384
           AND (
               (d.classid = CAST('pg_class' AS regclass)
                AND d.objid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = ANY (tree.oids)))
               OR (d.classid = CAST('pg_statistic_ext' AS regclass)
                   AND d.objid IN (SELECT s.oid FROM pg_statistic_ext s WHERE s.stxrelid = ANY (tree.oids)))
           )
       ),
       EXISTS (
           SELECT FROM pg_trigger g WHERE g.tgrelid = ANY (tree.oids) AND NOT g.tgisinternal AND g.tgenabled <> 'D'
       ),
       c.relhasrules OR EXISTS (
           SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'
           AND g.tgtype & 1 = 0
       ),
       EXISTS (
           SELECT FROM pg_constraint k
           WHERE k.conrelid = ANY (tree.oids) AND k.contype = 'f' AND k.confdeltype NOT IN ('a', 'r')
       )
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT c.oid || ARRAY(SELECT CAST(p.relid AS oid) FROM pg_partition_tree(CAST(c.oid AS regclass)) p) AS oids
) tree
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relkind NOT IN ('i', 'I', 'S', 'c', 't')
AND (n.nspname = ANY (CAST(:schemas AS text[])) OR n.oid = pg_my_temp_schema())
""")
_COLUMNS = text("""
SELECT a.attrelid, a.attname, format_type(b.oid, CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END),
       plain.is_plain, pg_get_expr(d.adbin, d.adrelid),
       CASE WHEN plain.is_plain AND a.atthasmissing THEN (CAST(CAST(a.attmissingval AS text) AS text[]))[1] END
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
CROSS JOIN LATERAL (
    SELECT b.typnamespace = CAST('pg_catalog' AS regnamespace) OR b.typtype = 'e' AS is_plain
) plain
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (CAST(:tables AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
""")
_CALLS = text("""
WITH plain AS (
    SELECT oid FROM pg_type WHERE typnamespace = CAST('pg_catalog' AS regnamespace) OR typtype <> 'b'
),
path AS (
    SELECT oid FROM pg_namespace WHERE nspname = ANY (CAST(:schemas AS text[]))
)
SELECT EXISTS (
    SELECT FROM pg_proc WHERE oid >= 16384 AND proname = ANY (CAST(:names AS text[]))
    AND pronamespace IN (SELECT oid FROM path)
) OR EXISTS (
    SELECT FROM pg_operator WHERE oid >= 16384 AND oprname = ANY (CAST(:operators AS text[]))
    AND oprnamespace IN (SELECT oid FROM path)
    AND (oprleft IN (SELECT oid FROM plain) OR oprright IN (SELECT oid FROM plain))
) OR EXISTS (
    SELECT FROM pg_cast WHERE oid >= 16384 AND castsource IN (SELECT oid FROM plain)
    AND (castcontext = 'i' OR (castmethod = 'f' AND casttarget IN (SELECT oid FROM plain)))
) OR EXISTS (
    SELECT FROM pg_type WHERE typnamespace = pg_my_temp_schema()
)
""")


@dataclass(frozen=True)
class CatalogColumn:
    """A column. `type` is a domain's base type; it `is_plain` where comparing its values calls nothing of others.

    `filled_with` is the value that existing rows got when the column was added, if PostgreSQL has it on record.
    """

    name: str
    type: str
    is_plain: bool
    default: str | None
    filled_with: str | None


@dataclass(frozen=True)
class Table:
    """A table. It `is_readable` where a scan calls no functions of others and returns all rows.

    With triggers or rules a change `may_differ` from its statement; with statement-level ones a statement that matches
    no rows `may_act` as well. It `follows_others` where deleting rows of other tables deletes or changes its rows.
    """

    schema: str
    name: str
    is_readable: bool
    may_differ: bool
    may_act: bool
    follows_others: bool
    columns: tuple[CatalogColumn, ...]

    @property
    def full_name(self) -> tuple[str, str]:
        """Schema and name, as in the catalogs."""
        return self.schema, self.name

    @property
    def qualified(self) -> str:
        """The name for SQL."""
        return quoted(self.schema, self.name)

    def column(self, name: str) -> CatalogColumn | None:
        """The column with a name as in the catalogs."""
        return next((column for column in self.columns if column.name == name), None)


def tables_named(names: Collection[str], schemas: Collection[str], connection: Connection) -> tuple[Table, ...]:
    """All tables and views that names may refer to, also in the session's temporary schema."""
    rows = connection.execute(_TABLES, {"names": sorted(names), "schemas": sorted(schemas)}).all()
    columns = dict(_columns([oid for _, _, oid, *_ in rows], connection))
    return tuple(
        Table(schema, name, is_readable, has_triggers or may_act, may_act, follows_others, columns.get(oid, ()))
        for schema, name, oid, is_readable, has_triggers, may_act, follows_others in rows
    )


def _columns(tables: Collection[int], connection: Connection) -> Iterator[tuple[int, tuple[CatalogColumn, ...]]]:
    rows = connection.execute(_COLUMNS, {"tables": list(tables)})
    for table, columns in groupby(rows, key=lambda row: row[0]):
        yield table, tuple(CatalogColumn(*column[1:]) for column in columns)


def may_be_called(
    names: Collection[str], operators: Collection[str], schemas: Collection[str], connection: Connection
) -> bool:
    """Whether an expression with these names and operators may call functions that aren't PostgreSQL's own.

    Any use of the name of somebody else's function counts as a call. An operator without an operand of PostgreSQL's own
    types, such as those of citext, can't be called. Temporary types take precedence over PostgreSQL's own.
    """
    parameters = {"names": sorted(names), "operators": sorted(operators), "schemas": sorted(schemas)}
    return bool(connection.scalar(_CALLS, parameters))
