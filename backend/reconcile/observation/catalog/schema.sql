SELECT 'schema', '', '', pg_catalog.quote_ident(s.nspname::text), 'present', 0, ''
FROM scope s WHERE s.nspname <> CAST(:schema AS text)
