SELECT 'sequence', r.schema, '', r.name,
       pg_catalog.format_type(s.seqtypid, NULL::integer)
       || ' start '::text || CAST(s.seqstart AS text) || ' increment '::text || CAST(s.seqincrement AS text)
       || ' minvalue '::text || CAST(s.seqmin AS text) || ' maxvalue '::text || CAST(s.seqmax AS text)
       || CASE WHEN s.seqcycle THEN ' cycle'::text ELSE ''::text END, 0,
       coalesce(t.path || '.'::text || pg_catalog.quote_ident(a.attname::text), ''::text)
FROM relation r
JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
LEFT JOIN pg_catalog.pg_depend p
    ON p.classid = CAST('pg_catalog.pg_class'::pg_catalog.regclass AS oid) AND p.objid = r.oid
   AND p.deptype IN ('a'::"char", 'i'::"char") AND p.refobjsubid > 0
LEFT JOIN relation t ON t.oid = p.refobjid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND CAST(a.attnum AS integer) = p.refobjsubid
WHERE coalesce(p.deptype = 'a'::"char", true) -- an identity column's is told by the column
  AND (CAST(:names AS text[]) IS NULL OR r.path = ANY (CAST(:names AS text[])) OR t.path = ANY (CAST(:names AS text[])))
