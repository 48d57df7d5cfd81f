SELECT 'type', y.schema, '', y.name,
       'enum ('::text
       || coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel::text), ', '::text
                                                 ORDER BY e.enumsortorder)
                    FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid), ''::text) || ')'::text, 0, ''
FROM user_type y WHERE y.typtype = 'e'::"char"
