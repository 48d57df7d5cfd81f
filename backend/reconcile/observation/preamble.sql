-- Where the project's names resolve, what its version table is, and which kinds of objects are anywhere in the database,
-- as (schema, kind of relation, length of an id, search path before and after, a setting, kinds). Pins the search path to that
-- schema for the transaction, and behind it to the schemas that hold extensions and no tables: an extension's types are
-- spelled alike wherever it lies. Temporary tables come last.
-- Until that is done others' operators may come before PostgreSQL's own, whatever the types: each is named in full.
WITH home AS (
    SELECT coalesce(CAST(:schema AS text), CAST(pg_catalog.current_schema() AS text)) AS name
),
versions AS (
    SELECT CAST(pg_catalog.to_regclass(pg_catalog.concat_ws(
        '.'::text, pg_catalog.quote_ident(coalesce(CAST(:version_schema AS text), h.name)),
        pg_catalog.quote_ident(CAST(:version_table AS text)))) AS oid) AS oid
    FROM home h
),
behind AS (
    SELECT DISTINCT n.nspname
    FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) x.extnamespace
    WHERE n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'::text
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_class c
          WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
            AND (c.relkind OPERATOR(pg_catalog.=) 'r'::"char" OR c.relkind OPERATOR(pg_catalog.=) 'p'::"char")
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
                  AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'::"char"))
),
-- A catalog that is empty but for what PostgreSQL itself brings (whose OIDs are below 16384) needn't be asked for more:
-- to plan a SELECT takes longer than to run it. In a database of many schemas it takes less than to find that out.
few AS (
    SELECT pg_catalog.concat_ws(
        ' '::text,
        CASE WHEN pg_catalog.bool_or(c.relrowsecurity) THEN 'row_security'::text END,
        CASE WHEN pg_catalog.bool_or(c.relkind OPERATOR(pg_catalog.=) 'S'::"char") THEN 'sequence'::text END,
        CASE WHEN pg_catalog.bool_or(c.relkind OPERATOR(pg_catalog.=) 'c'::"char") THEN 'composite_type'::text END,
        CASE WHEN pg_catalog.bool_or(c.relkind OPERATOR(pg_catalog.=) 'v'::"char"
                                     OR c.relkind OPERATOR(pg_catalog.=) 'm'::"char"
                                     OR c.relkind OPERATOR(pg_catalog.=) 'f'::"char") THEN 'view'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_policy) THEN 'policy'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE NOT g.tgisinternal) THEN 'trigger'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite r
                          WHERE r.rulename OPERATOR(pg_catalog.<>) '_RETURN'::text
                            AND r.oid OPERATOR(pg_catalog.>=) 16384::oid) THEN 'rule'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_enum) THEN 'enum'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_type t
                          WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::"char"
                            AND t.oid OPERATOR(pg_catalog.>=) 16384::oid) THEN 'domain'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.>=) 16384::oid)
             THEN 'function'::text END,
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_extension x
                          WHERE x.extname OPERATOR(pg_catalog.<>) 'plpgsql'::text) THEN 'extension'::text END) AS names
    FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.>=) 16384::oid
),
kinds AS (
    SELECT CASE WHEN pg_catalog.pg_relation_size(CAST('pg_catalog.pg_class' AS pg_catalog.regclass))
                     OPERATOR(pg_catalog.>) 4000000::bigint
                THEN 'row_security sequence composite_type view policy trigger rule enum domain function extension'::text
                ELSE (SELECT f.names FROM few f) END AS names
)
SELECT h.name,
       (SELECT CAST(c.relkind AS text) FROM pg_catalog.pg_class c
        WHERE c.oid OPERATOR(pg_catalog.=) v.oid AND c.relkind OPERATOR(pg_catalog.<>) 'i'::"char"
          AND c.relkind OPERATOR(pg_catalog.<>) 'I'::"char") AS kind,
       (SELECT CASE WHEN a.atttypmod OPERATOR(pg_catalog.>) 4 THEN a.atttypmod OPERATOR(pg_catalog.-) 4 ELSE -1 END
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) v.oid AND a.attname OPERATOR(pg_catalog.=) 'version_num'::text
          AND a.attnum OPERATOR(pg_catalog.>) 0::int2 AND NOT a.attisdropped) AS length,
       pg_catalog.current_setting('search_path'::text) AS given_path,
       CASE WHEN h.name IS NOT NULL THEN pg_catalog.set_config(
           'search_path'::text,
           pg_catalog.concat_ws(', '::text, pg_catalog.quote_ident(h.name),
                                (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(b.nspname::text), ', '::text
                                                              ORDER BY b.nspname) FROM behind b
                                 WHERE b.nspname OPERATOR(pg_catalog.<>) h.name),
                                'pg_temp'::text),
           true) END,
       pg_catalog.set_config('quote_all_identifiers'::text, 'off'::text, true), -- names are spelled as on the tape
       k.names
FROM home h CROSS JOIN versions v CROSS JOIN kinds k
