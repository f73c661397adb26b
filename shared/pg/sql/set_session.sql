-- params: statement_timeout in ms
-- returns: one row
-- Every statement looks rows up by a key or walks some of them in an index's order, and is planned once
-- for all: planning takes longer than most of them run, and PostgreSQL, left the choice, plans those
-- with lists each time. (pg.h says which are planned each time all the same.) That is when tables are
-- small or empty, where any way is as cheap as the other.  A plan that reads whole tables or sorts them
-- would be kept while they grow, until they are analyzed.  For the same reason a statement that knows a
-- row's id asks for its tenant by (tenant_id = ...) IS TRUE, which no index has.
-- All of them together are for the session, so that no plan is kept that was made without the others.
-- A client that hung up is noticed within a second, and one that stopped inside a transaction
-- does not hold its locks for ever.
SELECT set_config('statement_timeout', $1::text, false),
       set_config('idle_in_transaction_session_timeout', '60000', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('jit', 'off', false),
       set_config('client_connection_check_interval', '1000', false),
       set_config('bytea_output', 'hex', false),
       set_config('datestyle', 'ISO, MDY', false),
       set_config('timezone', 'UTC', false)
