-- params: none
-- returns: name, rows of each table of ours, in order of names
SELECT c.relname,
       (xpath('//n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), true, true, '')))[1]::text::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r'
ORDER BY c.relname COLLATE "C"
LIMIT 1000
