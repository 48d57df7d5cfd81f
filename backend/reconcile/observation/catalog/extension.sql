SELECT 'extension', '', '', pg_catalog.quote_ident(x.extname::text), 'present', 0, ''
FROM pg_catalog.pg_extension x
WHERE x.extname <> 'plpgsql'::text
  AND (CAST(:names AS text[]) IS NULL OR pg_catalog.quote_ident(x.extname::text) = ANY (CAST(:names AS text[])))
