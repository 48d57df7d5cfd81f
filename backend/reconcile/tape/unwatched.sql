-- Objects of the kinds that a look at a database leaves out, as `kind name`: nobody notices when one is lost or differs.
-- Those of PostgreSQL itself and of extensions aren't listed.
WITH member AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'::"char"
),
named AS (
    SELECT 'statistics'::text AS kind, s.oid, s.tableoid, s.stxnamespace AS namespace, s.stxname::text AS name
    FROM pg_catalog.pg_statistic_ext s
    UNION ALL SELECT 'collation', c.oid, c.tableoid, c.collnamespace, c.collname::text FROM pg_catalog.pg_collation c
    UNION ALL SELECT 'text search configuration', c.oid, c.tableoid, c.cfgnamespace, c.cfgname::text
    FROM pg_catalog.pg_ts_config c
    UNION ALL SELECT 'text search dictionary', d.oid, d.tableoid, d.dictnamespace, d.dictname::text
    FROM pg_catalog.pg_ts_dict d
    UNION ALL SELECT 'operator', o.oid, o.tableoid, o.oprnamespace, o.oprname::text FROM pg_catalog.pg_operator o
    UNION ALL SELECT 'operator class', o.oid, o.tableoid, o.opcnamespace, o.opcname::text FROM pg_catalog.pg_opclass o
    UNION ALL SELECT 'conversion', c.oid, c.tableoid, c.connamespace, c.conname::text FROM pg_catalog.pg_conversion c
    UNION ALL SELECT 'aggregate', p.oid, p.tableoid, p.pronamespace, p.proname::text
    FROM pg_catalog.pg_proc p WHERE p.prokind IN ('a'::"char", 'w'::"char")
    UNION ALL SELECT CASE t.typtype WHEN 'r'::"char" THEN 'range type'::text ELSE 'base type'::text END,
                     t.oid, t.tableoid, t.typnamespace, t.typname::text
    FROM pg_catalog.pg_type t
    WHERE t.typtype = 'r'::"char"
       OR (t.typtype = 'b'::"char" AND t.typelem = 0::oid AND t.typcategory <> 'A'::"char")
    UNION ALL SELECT 'event trigger', e.oid, e.tableoid, NULL, e.evtname::text FROM pg_catalog.pg_event_trigger e
    UNION ALL SELECT 'publication', p.oid, p.tableoid, NULL, p.pubname::text FROM pg_catalog.pg_publication p
    UNION ALL SELECT 'foreign server', s.oid, s.tableoid, NULL, s.srvname::text FROM pg_catalog.pg_foreign_server s
    UNION ALL SELECT 'language', l.oid, l.tableoid, NULL, l.lanname::text
    FROM pg_catalog.pg_language l WHERE l.oid >= 16384::oid
    UNION ALL SELECT 'cast', c.oid, c.tableoid, NULL,
                     pg_catalog.format_type(c.castsource, NULL) || ' as '::text || pg_catalog.format_type(c.casttarget, NULL)
    FROM pg_catalog.pg_cast c WHERE c.oid >= 16384::oid
)
SELECT o.kind || ' '::text || o.name
FROM named o LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace
WHERE (n.nspname IS NULL OR (n.nspname <> 'information_schema'::text
                             AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_'::text)))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = o.tableoid AND m.objid = o.oid)
ORDER BY 1
