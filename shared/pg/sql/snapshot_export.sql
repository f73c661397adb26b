-- params: none
-- returns: the snapshot's name, how the transaction is isolated
SELECT pg_export_snapshot(), current_setting('transaction_isolation')
