-- params: statement_timeout in ms
-- returns: one row
-- Every statement looks rows up by a key or walks some of them in an index's order, and is planned once
-- for all: at first, when tables are small or empty, where any way is as cheap as the other.  A plan
-- that reads whole tables or sorts them would be kept while they grow, until they are analyzed.  For
-- the same reason a statement that knows a row's id asks for its tenant by (tenant_id = ...) IS TRUE,
-- which no index has.
-- A client that hung up is noticed within a second, and one that stopped inside a transaction
-- does not hold its locks for ever.
SELECT set_config('statement_timeout', $1::text, false),
       set_config('idle_in_transaction_session_timeout', '60000', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false),
       set_config('jit', 'off', false),
       set_config('client_connection_check_interval', '1000', false),
       set_config('bytea_output', 'hex', false),
       set_config('datestyle', 'ISO, MDY', false),
       set_config('timezone', 'UTC', false)
