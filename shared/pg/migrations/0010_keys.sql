-- A key is replaced once, also when two ask at the same time.
CREATE UNIQUE INDEX api_keys_replaces ON api_keys (replaces) WHERE replaces IS NOT NULL;

-- Namespaces are lower-case from here on, wherever they are named.
UPDATE api_keys SET namespaces = string_to_array(lower(array_to_string(namespaces, ',')), ',')
WHERE namespaces IS NOT NULL;
UPDATE tasks SET namespace = lower(namespace) WHERE namespace <> lower(namespace);
UPDATE sessions SET namespace = lower(namespace) WHERE namespace <> lower(namespace);
UPDATE schedules SET namespace = lower(namespace), task = jsonb_set(task, '{namespace}', to_jsonb(lower(namespace)))
WHERE namespace <> lower(namespace);
