-- planned: each time, for its parameters
-- params: tenant id, chain id, address, symbol, part of the name, protocol, type, version (each NULL: any), rows to skip, rows
-- returns: contracts, in the order of the columns of contract_store.c; the last changed first
SELECT chain_id, address, chain, name, symbol, protocol, contract_type, version,
       implementation_address, description, is_proxy, source_code, abi,
       (extract(epoch FROM updated_at) * 1000000)::bigint
FROM contracts
WHERE tenant_id = $1::text
  AND ($2::bigint IS NULL OR chain_id = $2::bigint)
  AND ($3::text IS NULL OR address = $3::text)
  AND ($4::text IS NULL OR lower(symbol) = lower($4::text))
  AND ($5::text IS NULL OR strpos(lower(name), lower($5::text)) > 0)
  AND ($6::text IS NULL OR lower(protocol) = lower($6::text))
  AND ($7::text IS NULL OR contract_type = $7::text)
  AND ($8::text IS NULL OR version = $8::text)
ORDER BY updated_at DESC, chain_id, address
OFFSET $9::bigint LIMIT $10::bigint
