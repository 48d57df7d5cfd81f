-- Where the project's names resolve, and what its version table is, as (schema, kind of relation, length of an id, search path before and after).
-- Pins the search path to that schema for the transaction, and behind it to the schemas that hold extensions and no
-- tables: an extension's types are spelled alike wherever it lies. Temporary tables come last.
WITH home AS (
    SELECT coalesce(CAST(:schema AS text), CAST(pg_catalog.current_schema() AS text)) AS name
),
versions AS (
    SELECT CAST(c.relkind AS text) AS kind,
           (SELECT CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE -1 END
            FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'version_num'::text AND a.attnum > 0::int2
              AND NOT a.attisdropped) AS length
    FROM home h
    JOIN pg_catalog.pg_namespace n ON n.nspname = coalesce(CAST(:version_schema AS text), h.name)
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = CAST(:version_table AS text)
    WHERE c.relkind NOT IN ('i'::"char", 'I'::"char")
)
SELECT h.name, v.kind, v.length, pg_catalog.current_setting('search_path'::text) AS given_path,
       CASE WHEN h.name IS NOT NULL THEN pg_catalog.set_config(
           'search_path'::text,
           pg_catalog.quote_ident(h.name)
           || coalesce((SELECT pg_catalog.string_agg(', '::text || pg_catalog.quote_ident(n.nspname::text), ''::text
                                                     ORDER BY n.nspname)
                        FROM pg_catalog.pg_namespace n
                        WHERE n.nspname <> h.name AND n.nspname <> 'pg_catalog'::text
                          AND EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extnamespace = n.oid)
                          AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                                          WHERE c.relnamespace = n.oid AND c.relkind IN ('r'::"char", 'p'::"char")
                                            AND NOT EXISTS (
                                                SELECT FROM pg_catalog.pg_depend d
                                                WHERE d.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
                                                  AND d.objid = c.oid AND d.deptype = 'e'::"char"))), ''::text)
           || ', pg_temp'::text, true) END
FROM home h LEFT JOIN versions v ON true
