-- What a database holds: one row an object, as (kind, schema, table, name, canonical text, position, detail). The
-- other files of this folder are the SELECTs that follow, one for each kind of object.
-- Schema is empty for ours, which is on the search path first: its names stand unqualified, others' qualified.
-- :names limits the look, NULL does not; without a list of schemas, all that aren't PostgreSQL's own are looked at.
-- Objects of extensions are left out, and so is what PostgreSQL makes by itself: NOT NULL constraints as rows
-- (PostgreSQL 18; the column says it), and the copies of a partitioned table's constraints, indexes and triggers.
--
-- A database may hold thousands of schemas. The catalogs have indexes on names and none on schemas: at the marks
-- (empty comments with a word) a limited look gets conditions that use those indexes, from limits.py.
--
-- Whoever may create in a schema on the search path can plant a function or an operator that fits better than
-- PostgreSQL's own. So each function is named with its schema, and each operator gets exactly the types of its own.
WITH
extension_member AS NOT MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'::"char"
),
scope AS (
    SELECT n.oid, n.nspname,
           CASE WHEN n.nspname = CAST(:schema AS text) THEN ''::text
                ELSE pg_catalog.quote_ident(n.nspname::text) END AS schema,
           CASE WHEN n.nspname = CAST(:schema AS text) THEN ''::text
                ELSE pg_catalog.quote_ident(n.nspname::text) || '.'::text END AS prefix
    FROM pg_catalog.pg_namespace n
    WHERE /* schemas */
),
/* reached */
relation AS (
    SELECT c.oid, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
           c.relispopulated, c.reloptions, c.reltablespace, s.schema, pg_catalog.quote_ident(c.relname::text) AS name,
           s.prefix || pg_catalog.quote_ident(c.relname::text) AS path,
           pg_catalog.quote_ident(s.nspname::text) || '.'::text || pg_catalog.quote_ident(c.relname::text) AS qualified
    FROM pg_catalog.pg_class c JOIN scope s ON s.oid = c.relnamespace
    /* relations */
    WHERE NOT (c.relname = CAST(:version_table AS text) AND s.nspname = CAST(:version_schema AS text))
      AND NOT EXISTS (SELECT FROM extension_member e
                      WHERE e.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND e.objid = c.oid)
),
ours AS (
    SELECT r.* FROM relation r
    WHERE r.relkind IN ('r'::"char", 'p'::"char")
      AND (CAST(:names AS text[]) IS NULL OR r.path = ANY (CAST(:names AS text[])))
),
-- An index that serves nobody: its building failed, or those of some partitions aren't attached to it yet.
unserving AS NOT MATERIALIZED (
    SELECT x.indexrelid AS oid,
           coalesce(' attached '::text || pg_catalog.string_agg(pg_catalog.quote_ident(c.relname::text), ', '::text
                                                                ORDER BY c.relname), ''::text) || ' invalid'::text AS state
    FROM pg_catalog.pg_index x
    LEFT JOIN pg_catalog.pg_inherits h ON h.inhparent = x.indexrelid
    LEFT JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
    WHERE NOT (x.indisvalid AND x.indisready)
    GROUP BY x.indexrelid
),
user_type AS (
    SELECT t.oid, t.typtype, t.typrelid, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault,
           s.schema, pg_catalog.quote_ident(t.typname::text) AS name
    FROM pg_catalog.pg_type t JOIN scope s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('e'::"char", 'c'::"char", 'd'::"char")
      /* types */
      AND (CAST(:names AS text[]) IS NULL
           OR s.prefix || pg_catalog.quote_ident(t.typname::text) = ANY (CAST(:names AS text[])))
      AND NOT EXISTS (SELECT FROM extension_member e
                      WHERE e.classid = CAST('pg_catalog.pg_type'::pg_catalog.regclass AS oid) AND e.objid = t.oid)
)
