-- params: none
-- returns: one row; until the transaction ends statements are planned for their parameters
SELECT set_config('plan_cache_mode', 'force_custom_plan', true)
