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
