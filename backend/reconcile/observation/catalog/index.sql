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
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend p -- a constraint's own
                  WHERE p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND p.objid = i.oid
                    AND p.refclassid = CAST('pg_catalog.pg_constraint'::pg_catalog.regclass AS oid)
                    AND p.deptype = 'i'::"char")
