-- What a database holds: one row an object, as (kind, schema, table, name, canonical text, position, detail).
-- Schema is empty for ours, which is on the search path first: its names stand unqualified, others' qualified.
-- :names limits the look, NULL does not; without :schemas, all that aren't PostgreSQL's own are looked at.
-- Objects of extensions are left out, and so is what PostgreSQL makes by itself: NOT NULL constraints as rows
-- (PostgreSQL 18; the column says it), and the copies of a partitioned table's constraints, indexes and triggers.
--
-- Whoever may create in a schema on the search path can plant a function or an operator that fits better than
-- PostgreSQL's own. So each function is named with its schema, and each operator gets exactly the types of its own.
WITH
extension_member AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'::"char"
),
scope AS (
    SELECT n.oid, n.nspname,
           CASE WHEN n.nspname = CAST(:schema AS text) THEN ''::text
                ELSE pg_catalog.quote_ident(n.nspname::text) END AS schema,
           CASE WHEN n.nspname = CAST(:schema AS text) THEN ''::text
                ELSE pg_catalog.quote_ident(n.nspname::text) || '.'::text END AS prefix
    FROM pg_catalog.pg_namespace n
    WHERE CASE WHEN CAST(:schemas AS text[]) IS NULL
               THEN n.nspname <> 'information_schema'::text AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)
               ELSE n.nspname = ANY (CAST(:schemas AS text[])) END
),
relation AS (
    SELECT c.oid, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
           c.relispopulated, c.reloptions, c.reltablespace, s.schema, pg_catalog.quote_ident(c.relname::text) AS name,
           s.prefix || pg_catalog.quote_ident(c.relname::text) AS path,
           pg_catalog.quote_ident(s.nspname::text) || '.'::text || pg_catalog.quote_ident(c.relname::text) AS qualified
    FROM pg_catalog.pg_class c JOIN scope s ON s.oid = c.relnamespace
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
unserving AS (
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
      AND (CAST(:names AS text[]) IS NULL
           OR s.prefix || pg_catalog.quote_ident(t.typname::text) = ANY (CAST(:names AS text[])))
      AND NOT EXISTS (SELECT FROM extension_member e
                      WHERE e.classid = CAST('pg_catalog.pg_type'::pg_catalog.regclass AS oid) AND e.objid = t.oid)
)

SELECT 'table'::text AS kind, t.schema, t.name AS table_name, ''::text AS name,
       CASE WHEN t.relkind = 'p'::"char" THEN 'partitioned by '::text || pg_catalog.pg_get_partkeydef(t.oid)
            ELSE 'ordinary'::text END
       || CASE WHEN t.relpersistence = 'u'::"char" THEN ' unlogged'::text ELSE ''::text END
       || CASE WHEN t.relispartition THEN ' partition'::text ELSE ''::text END AS definition,
       0 AS position, ''::text AS detail
FROM ours t

UNION ALL
SELECT 'row_security', t.schema, t.name, '',
       CASE WHEN t.relforcerowsecurity THEN 'forced'::text ELSE 'enabled'::text END, 0,
       CASE WHEN pg_catalog.row_security_active(t.oid) THEN 'active'::text ELSE ''::text END
FROM ours t WHERE t.relrowsecurity

UNION ALL
SELECT 'column', t.schema, t.name, pg_catalog.quote_ident(a.attname::text),
       pg_catalog.format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attcollation <> y.typcollation
               THEN ' collate '::text || CAST(CAST(a.attcollation AS pg_catalog.regcollation) AS text)
               ELSE ''::text END
       || CASE WHEN a.attgenerated = 's'::"char"
               THEN ' generated always as ('::text || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'::text
               WHEN a.attgenerated = 'v'::"char"
               THEN ' generated always as ('::text || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') virtual'::text
               WHEN a.attidentity = 'a'::"char" THEN ' generated always as identity'::text
               WHEN a.attidentity = 'd'::"char" THEN ' generated by default as identity'::text
               WHEN d.adbin IS NOT NULL THEN ' default '::text || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
               ELSE ''::text END
       || CASE WHEN a.attnotnull
                 OR (y.typtype = 'd'::"char" AND y.typnotnull AND d.adbin IS NULL AND y.typdefault IS NULL)
               THEN ' not null'::text ELSE ''::text END,
       CAST(a.attnum AS integer), ''
FROM ours t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0::int2 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum

UNION ALL
SELECT CASE k.contype WHEN 'p'::"char" THEN 'primary_key'::text WHEN 'u'::"char" THEN 'unique'::text
                      WHEN 'f'::"char" THEN 'foreign_key'::text WHEN 'c'::"char" THEN 'check'::text
                      ELSE 'exclude'::text END,
       t.schema, t.name, pg_catalog.quote_ident(k.conname::text),
       pg_catalog.pg_get_constraintdef(k.oid)
       || CASE WHEN t.relkind = 'p'::"char" AND k.contype <> 'f'::"char"
               THEN coalesce((SELECT u.state FROM unserving u WHERE u.oid = k.conindid), ''::text)
               ELSE ''::text END, 0,
       CASE WHEN k.contype = 'f'::"char"
                 AND EXISTS (SELECT FROM pg_catalog.pg_trigger g
                             WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D'::"char", 'R'::"char"))
            THEN 'disabled'::text ELSE ''::text END
FROM ours t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.conparentid = 0::oid
    AND k.contype IN ('p'::"char", 'u'::"char", 'f'::"char", 'c'::"char", 'x'::"char")

UNION ALL
SELECT 'index', t.schema, t.name, i.name,
       CASE WHEN x.indisunique THEN 'UNIQUE '::text ELSE ''::text END
       || pg_catalog.replace(
              pg_catalog.substring(pg_catalog.pg_get_indexdef(i.oid), ' (USING .*)$'::text),
              coalesce(' WITH ('::text || o.options || ')'::text, '+'::text), ''::text)
       || CASE WHEN x.indisvalid AND x.indisready THEN ''::text
               ELSE (SELECT u.state FROM unserving u WHERE u.oid = i.oid) END, 0,
       coalesce(' WITH ('::text || o.options || ')'::text, ''::text)
       || coalesce(' TABLESPACE '::text || (SELECT pg_catalog.quote_ident(b.spcname::text)
                                            FROM pg_catalog.pg_tablespace b WHERE b.oid = i.reltablespace), ''::text)
FROM relation i
JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
JOIN relation t ON t.oid = x.indrelid
LEFT JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               pg_catalog.quote_ident(v.option_name) || '='::text
               || CASE WHEN pg_catalog.quote_ident(v.option_value) = v.option_value THEN v.option_value
                       ELSE pg_catalog.quote_literal(v.option_value) END, ', '::text) AS options
    FROM pg_catalog.pg_options_to_table(i.reloptions) v
) o ON true
WHERE (CAST(:names AS text[]) IS NULL OR t.path = ANY (CAST(:names AS text[])) OR i.path = ANY (CAST(:names AS text[])))
  AND NOT i.relispartition
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                  WHERE k.conindid = i.oid AND k.contype IN ('p'::"char", 'u'::"char", 'x'::"char"))

UNION ALL
SELECT 'trigger', t.schema, t.name, pg_catalog.quote_ident(g.tgname::text),
       pg_catalog.replace(pg_catalog.pg_get_triggerdef(g.oid), ' ON '::text || t.qualified || ' '::text,
                          ' ON '::text || t.path || ' '::text)
       || CASE WHEN g.tgenabled = 'O'::"char" THEN ''::text ELSE ' enabled='::text || CAST(g.tgenabled AS text) END, 0, ''
FROM ours t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgparentid = 0::oid

UNION ALL
SELECT 'policy', t.schema, t.name, pg_catalog.quote_ident(p.polname::text),
       CASE WHEN p.polpermissive THEN 'permissive'::text ELSE 'restrictive'::text END
       || ' for '::text || CAST(p.polcmd AS text)
       || coalesce(' using ('::text || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')'::text, ''::text)
       || coalesce(' with check ('::text || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'::text, ''::text),
       0, ''
FROM ours t JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid

UNION ALL
SELECT 'rule', t.schema, t.name, pg_catalog.quote_ident(r.rulename::text),
       pg_catalog.replace(pg_catalog.pg_get_ruledef(r.oid), ' TO '::text || t.qualified, ' TO '::text || t.path), 0, ''
FROM ours t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'::text

UNION ALL
SELECT 'type', y.schema, '', y.name,
       'enum ('::text
       || coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel::text), ', '::text
                                                 ORDER BY e.enumsortorder)
                    FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid), ''::text) || ')'::text, 0, ''
FROM user_type y WHERE y.typtype = 'e'::"char"

UNION ALL
SELECT 'type', y.schema, '', y.name,
       '('::text
       || coalesce((SELECT pg_catalog.string_agg(
                               pg_catalog.quote_ident(a.attname::text) || ' '::text
                               || pg_catalog.format_type(a.atttypid, a.atttypmod), ', '::text ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = y.typrelid AND a.attnum > 0::int2 AND NOT a.attisdropped), ''::text)
       || ')'::text, 0, ''
FROM user_type y JOIN pg_catalog.pg_class c ON c.oid = y.typrelid AND c.relkind = 'c'::"char"

UNION ALL
SELECT 'domain', y.schema, '', y.name,
       pg_catalog.format_type(y.typbasetype, y.typtypmod)
       || coalesce(' default '::text || y.typdefault, ''::text)
       || CASE WHEN y.typnotnull THEN ' not null'::text ELSE ''::text END
       || coalesce(c.checks, ''::text), 0, coalesce(c.named, ''::text)
FROM user_type y
LEFT JOIN LATERAL (
    SELECT pg_catalog.string_agg(' '::text || k.definition, ''::text ORDER BY k.conname) AS checks,
           pg_catalog.string_agg(pg_catalog.quote_ident(k.conname::text) || ' '::text || k.definition, E'\n'::text) AS named
    FROM (SELECT n.conname, pg_catalog.pg_get_constraintdef(n.oid) AS definition
          FROM pg_catalog.pg_constraint n WHERE n.contypid = y.oid AND n.contype = 'c'::"char") k
) c ON true
WHERE y.typtype = 'd'::"char"

UNION ALL
SELECT 'sequence', r.schema, '', r.name,
       pg_catalog.format_type(s.seqtypid, NULL::integer)
       || ' start '::text || CAST(s.seqstart AS text) || ' increment '::text || CAST(s.seqincrement AS text)
       || ' minvalue '::text || CAST(s.seqmin AS text) || ' maxvalue '::text || CAST(s.seqmax AS text)
       || CASE WHEN s.seqcycle THEN ' cycle'::text ELSE ''::text END, 0,
       coalesce((SELECT t.path || '.'::text || pg_catalog.quote_ident(a.attname::text)
                 FROM pg_catalog.pg_depend p
                 JOIN relation t ON t.oid = p.refobjid
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND CAST(a.attnum AS integer) = p.refobjsubid
                 WHERE p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND p.objid = r.oid
                   AND p.deptype = 'a'::"char" AND p.refobjsubid > 0), ''::text)
FROM relation r JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
WHERE (CAST(:names AS text[]) IS NULL OR r.path = ANY (CAST(:names AS text[]))
       OR EXISTS (SELECT FROM pg_catalog.pg_depend p JOIN ours t ON t.oid = p.refobjid
                  WHERE p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND p.objid = r.oid
                    AND p.deptype = 'a'::"char"))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend p
                  WHERE p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND p.objid = r.oid
                    AND p.deptype = 'i'::"char")

UNION ALL
SELECT CASE r.relkind WHEN 'v'::"char" THEN 'view'::text WHEN 'f'::"char" THEN 'foreign_table'::text
                      ELSE 'materialized_view'::text END,
       r.schema, '', r.name,
       coalesce((SELECT 'WITH ('::text
                        || pg_catalog.string_agg(
                               o.option_name || '='::text
                               || CASE WHEN o.option_name = 'check_option'::text THEN o.option_value ELSE 'true'::text END,
                               ', '::text ORDER BY o.option_name) || ') AS'::text
                 FROM pg_catalog.pg_options_to_table(r.reloptions) o
                 WHERE r.relkind = 'v'::"char"
                   AND (o.option_name = 'check_option'::text OR CAST(o.option_value AS boolean))), ''::text)
       || CASE WHEN r.relkind = 'f'::"char" THEN 'present'::text ELSE pg_catalog.pg_get_viewdef(r.oid) END, 0,
       CASE WHEN r.relispopulated THEN ''::text ELSE 'unpopulated'::text END
FROM relation r
WHERE r.relkind IN ('v'::"char", 'm'::"char", 'f'::"char")
  AND (CAST(:names AS text[]) IS NULL OR r.path = ANY (CAST(:names AS text[])))

UNION ALL
SELECT 'function', f.schema, '', f.name,
       pg_catalog.replace(pg_catalog.pg_get_functiondef(f.oid), f.head || f.qualified || '('::text,
                          f.head || f.prefix || f.unqualified || '('::text), 0, ''
FROM (SELECT p.oid, s.schema, s.prefix, pg_catalog.quote_ident(p.proname::text) AS unqualified,
             pg_catalog.quote_ident(s.nspname::text) || '.'::text || pg_catalog.quote_ident(p.proname::text) AS qualified,
             CASE WHEN p.prokind = 'p'::"char" THEN 'CREATE OR REPLACE PROCEDURE '::text
                  ELSE 'CREATE OR REPLACE FUNCTION '::text END AS head,
             pg_catalog.quote_ident(p.proname::text) || '('::text
             || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'::text AS name
      FROM pg_catalog.pg_proc p JOIN scope s ON s.oid = p.pronamespace
      WHERE p.prokind IN ('f'::"char", 'p'::"char")
        AND NOT EXISTS (SELECT FROM extension_member e
                        WHERE e.classid = CAST('pg_catalog.pg_proc'::pg_catalog.regclass AS oid) AND e.objid = p.oid)
     ) f
WHERE CAST(:names AS text[]) IS NULL OR f.prefix || f.name = ANY (CAST(:names AS text[]))

UNION ALL
SELECT 'schema', '', '', pg_catalog.quote_ident(s.nspname::text), 'present', 0, ''
FROM scope s WHERE s.nspname <> CAST(:schema AS text)

UNION ALL
SELECT 'extension', '', '', pg_catalog.quote_ident(x.extname::text), 'present', 0, ''
FROM pg_catalog.pg_extension x
WHERE x.extname <> 'plpgsql'::text
  AND (CAST(:names AS text[]) IS NULL OR pg_catalog.quote_ident(x.extname::text) = ANY (CAST(:names AS text[])))
