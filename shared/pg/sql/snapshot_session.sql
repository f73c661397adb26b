-- params: none
-- returns: one row
-- For transactions of this connection from the next one on; a snapshot is held while others read, however long.
SELECT set_config('default_transaction_isolation', 'repeatable read', false),
       set_config('default_transaction_read_only', 'on', false),
       set_config('statement_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false)
