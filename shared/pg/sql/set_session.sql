-- params: statement_timeout in ms
-- returns: one row
-- A client that hung up is noticed within a second, and one that stopped inside a transaction
-- does not hold its locks for ever.
SELECT set_config('statement_timeout', $1::text, false),
       set_config('idle_in_transaction_session_timeout', '60000', false),
       set_config('client_connection_check_interval', '1000', false),
       set_config('bytea_output', 'hex', false),
       set_config('datestyle', 'ISO, MDY', false),
       set_config('timezone', 'UTC', false)
