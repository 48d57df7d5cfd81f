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
