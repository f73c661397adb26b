-- params: tenant id, chain id, address, chain, name, symbol, protocol, type, version, implementation, description, is it a proxy, source, abi
-- returns: whether it is new
INSERT INTO contracts (tenant_id, chain_id, address, chain, name, symbol, protocol, contract_type,
                       version, implementation_address, description, is_proxy, source_code, abi)
VALUES ($1::text, $2::bigint, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text,
        $10::text, $11::text, $12::boolean, $13::text, $14::text)
ON CONFLICT (tenant_id, chain_id, address) DO UPDATE
SET chain = excluded.chain, name = excluded.name, symbol = excluded.symbol,
    protocol = excluded.protocol, contract_type = excluded.contract_type,
    version = excluded.version, implementation_address = excluded.implementation_address,
    description = excluded.description, is_proxy = excluded.is_proxy,
    source_code = excluded.source_code, abi = excluded.abi, updated_at = now()
RETURNING xmax = 0
