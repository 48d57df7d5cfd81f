SELECT CASE k.contype WHEN 'p'::"char" THEN 'primary_key'::text WHEN 'u'::"char" THEN 'unique'::text
                      WHEN 'f'::"char" THEN 'foreign_key'::text WHEN 'c'::"char" THEN 'check'::text
                      ELSE 'exclude'::text END,
       t.schema, t.name, pg_catalog.quote_ident(k.conname::text),
       pg_catalog.pg_get_constraintdef(k.oid)
       || CASE WHEN t.relkind = 'p'::"char" AND k.contype <> 'f'::"char"
               THEN coalesce((SELECT u.state FROM unserving u WHERE u.oid = k.conindid), ''::text)
               ELSE ''::text END, 0,
       CASE WHEN k.contype = 'f'::"char"
                 AND EXISTS (SELECT FROM pg_catalog.pg_trigger g
                             WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D'::"char", 'R'::"char"))
            THEN 'disabled'::text ELSE ''::text END
FROM ours t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.conparentid = 0::oid
    AND k.contype IN ('p'::"char", 'u'::"char", 'f'::"char", 'c'::"char", 'x'::"char")
