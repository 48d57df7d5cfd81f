SELECT 'function', f.schema, '', f.name,
       pg_catalog.replace(pg_catalog.pg_get_functiondef(f.oid), f.head || f.qualified || '('::text,
                          f.head || f.prefix || f.unqualified || '('::text), 0, ''
FROM (SELECT p.oid, s.schema, s.prefix, pg_catalog.quote_ident(p.proname::text) AS unqualified,
             pg_catalog.quote_ident(s.nspname::text) || '.'::text || pg_catalog.quote_ident(p.proname::text) AS qualified,
             CASE WHEN p.prokind = 'p'::"char" THEN 'CREATE OR REPLACE PROCEDURE '::text
                  ELSE 'CREATE OR REPLACE FUNCTION '::text END AS head,
             pg_catalog.quote_ident(p.proname::text) || '('::text
             || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'::text AS name
      FROM pg_catalog.pg_proc p JOIN scope s ON s.oid = p.pronamespace
      WHERE p.prokind IN ('f'::"char", 'p'::"char") /* functions */
        AND NOT EXISTS (SELECT FROM extension_member e
                        WHERE e.classid = CAST('pg_catalog.pg_proc'::pg_catalog.regclass AS oid) AND e.objid = p.oid)
     ) f
WHERE CAST(:names AS text[]) IS NULL OR f.prefix || f.name = ANY (CAST(:names AS text[]))
