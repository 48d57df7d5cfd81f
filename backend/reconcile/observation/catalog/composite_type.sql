SELECT 'type', y.schema, '', y.name,
       '('::text
       || coalesce((SELECT pg_catalog.string_agg(
                               pg_catalog.quote_ident(a.attname::text) || ' '::text
                               || pg_catalog.format_type(a.atttypid, a.atttypmod), ', '::text ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = y.typrelid AND a.attnum > 0::int2 AND NOT a.attisdropped), ''::text)
       || ')'::text, 0, ''
FROM user_type y JOIN pg_catalog.pg_class c ON c.oid = y.typrelid AND c.relkind = 'c'::"char"
