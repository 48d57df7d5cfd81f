-- Where the project's names resolve, and what its version table is, as (schema, kind of relation, length of an id, search
-- path before and after). Pins the search path to that schema for the transaction, and behind it to the schemas that hold
-- extensions and no tables: an extension's types are spelled alike wherever it lies. Temporary tables come last.
-- Until that is done others' operators may come before PostgreSQL's own, whatever the types: each is named in full.
WITH home AS (
    SELECT coalesce(CAST(:schema AS text), CAST(pg_catalog.current_schema() AS text)) AS name
),
versions AS (
    SELECT CAST(c.relkind AS text) AS kind,
           (SELECT CASE WHEN a.atttypmod OPERATOR(pg_catalog.>) 4 THEN a.atttypmod OPERATOR(pg_catalog.-) 4 ELSE -1 END
            FROM pg_catalog.pg_attribute a
            WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
              AND a.attname OPERATOR(pg_catalog.=) 'version_num'::text
              AND a.attnum OPERATOR(pg_catalog.>) 0::int2 AND NOT a.attisdropped) AS length
    FROM home h
    JOIN pg_catalog.pg_namespace n
        ON n.nspname OPERATOR(pg_catalog.=) coalesce(CAST(:version_schema AS text), h.name)
    JOIN pg_catalog.pg_class c
        ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
       AND c.relname OPERATOR(pg_catalog.=) CAST(:version_table AS text)
    WHERE c.relkind OPERATOR(pg_catalog.<>) 'i'::"char" AND c.relkind OPERATOR(pg_catalog.<>) 'I'::"char"
),
behind AS (
    SELECT n.nspname
    FROM home h JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.<>) h.name
    WHERE n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'::text
      AND EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extnamespace OPERATOR(pg_catalog.=) n.oid)
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_class c
          WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
            AND (c.relkind OPERATOR(pg_catalog.=) 'r'::"char" OR c.relkind OPERATOR(pg_catalog.=) 'p'::"char")
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid)
                  AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'::"char"))
)
SELECT h.name, v.kind, v.length, pg_catalog.current_setting('search_path'::text) AS given_path,
       CASE WHEN h.name IS NOT NULL THEN pg_catalog.set_config(
           'search_path'::text,
           pg_catalog.concat_ws(', '::text, pg_catalog.quote_ident(h.name),
                                (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(b.nspname::text), ', '::text
                                                              ORDER BY b.nspname) FROM behind b),
                                'pg_temp'::text),
           true) END,
       pg_catalog.set_config('quote_all_identifiers'::text, 'off'::text, true) -- names are spelled as on the tape
FROM home h LEFT JOIN versions v ON true
