SELECT 'policy', t.schema, t.name, pg_catalog.quote_ident(p.polname::text),
       CASE WHEN p.polpermissive THEN 'permissive'::text ELSE 'restrictive'::text END
       || ' for '::text || CAST(p.polcmd AS text)
       || coalesce(' using ('::text || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')'::text, ''::text)
       || coalesce(' with check ('::text || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'::text, ''::text),
       0, ''
FROM ours t JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid
