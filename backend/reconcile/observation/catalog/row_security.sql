SELECT 'row_security', t.schema, t.name, '',
       CASE WHEN t.relforcerowsecurity THEN 'forced'::text ELSE 'enabled'::text END, 0,
       CASE WHEN pg_catalog.row_security_active(t.oid) THEN 'active'::text ELSE ''::text END
FROM ours t WHERE t.relrowsecurity
