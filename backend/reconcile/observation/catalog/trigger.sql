SELECT 'trigger', t.schema, t.name, pg_catalog.quote_ident(g.tgname::text),
       pg_catalog.replace(pg_catalog.pg_get_triggerdef(g.oid), ' ON '::text || t.qualified || ' '::text,
                          ' ON '::text || t.path || ' '::text)
       || CASE WHEN g.tgenabled = 'O'::"char" THEN ''::text ELSE ' enabled='::text || CAST(g.tgenabled AS text) END, 0, ''
FROM ours t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgparentid = 0::oid
