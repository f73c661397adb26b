/* What the routes of contracts take. */
#pragma once

#include "rest/query.h"

struct rest_contracts {
	uint64_t chain_id, per_page, offset; /* chain_id 0: any */
	struct str address, symbol, name, protocol, type, version;
};
extern const struct rest_query_table rest_contracts_table;

struct rest_contract {
	struct str name, chain, symbol, protocol, type, version, implementation, description;
	struct str source, abi; /* abi: JSON */
	bool is_proxy;
};
extern const struct json_table rest_contract_table;
