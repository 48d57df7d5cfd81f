SELECT 'table'::text AS kind, t.schema, t.name AS table_name, ''::text AS name,
       CASE WHEN t.relkind = 'p'::"char" THEN 'partitioned by '::text || pg_catalog.pg_get_partkeydef(t.oid)
            ELSE 'ordinary'::text END
       || CASE WHEN t.relpersistence = 'u'::"char" THEN ' unlogged'::text ELSE ''::text END
       || CASE WHEN t.relispartition THEN ' partition'::text ELSE ''::text END AS definition,
       0 AS position, ''::text AS detail
FROM ours t
