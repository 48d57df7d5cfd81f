SELECT 'rule', t.schema, t.name, pg_catalog.quote_ident(r.rulename::text),
       pg_catalog.replace(pg_catalog.pg_get_ruledef(r.oid), ' TO '::text || t.qualified, ' TO '::text || t.path), 0, ''
FROM ours t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'::text
