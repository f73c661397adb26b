#include "rest/contract.h"

#include "contract/contract_store.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT
#define ASKED(word, member, most, words)                                                           \
	{                                                                                          \
		.name = (word), .kind = REST_TEXT, FIELD(rest_contracts, member), .min = 1,        \
		.max = (most), .help = (words)                                                     \
	}

enum { PER_PAGE = 50, PER_PAGE_MAX = 200 };

static const struct rest_query_field list_fields[] = {
	{ .name = "chainId",
	  .kind = REST_NUMBER,
	  FIELD(rest_contracts, chain_id),
	  .min = 1,
	  .max = CONTRACT_CHAIN_MAX,
	  .help = "Only those on this chain." },
	ASKED("address", address, CONTRACT_ADDRESS_MAX, "Only those at this address."),
	ASKED("symbol", symbol, CONTRACT_TEXT_MAX, "Only those with this symbol, in any case."),
	ASKED("name", name, CONTRACT_TEXT_MAX, "Only those with this in their name, in any case."),
	ASKED("protocol", protocol, CONTRACT_TEXT_MAX, "Only those of this protocol, in any case."),
	ASKED("contractType", type, CONTRACT_TEXT_MAX, "Only those of this type."),
	ASKED("version", version, CONTRACT_TEXT_MAX, "Only those of this version."),
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_contracts, per_page),
	  .min = 1,
	  .max = PER_PAGE_MAX,
	  .otherwise = PER_PAGE,
	  .help = "Contracts on a page." },
	{ .name = "offset",
	  .kind = REST_NUMBER,
	  FIELD(rest_contracts, offset),
	  .max = UINT32_MAX,
	  .help = "Leave so many out first." },
};
const struct rest_query_table rest_contracts_table = { sizeof(struct rest_contracts), list_fields,
	                                               ARRAY_LEN(list_fields) };

#define TOLD(word, member, most, words)                                                            \
	{                                                                                          \
		.name = (word), .kind = JSON_STR, .flags = JSON_NULLABLE,                          \
		FIELD(rest_contract, member), .max = (most), .help = (words)                       \
	}

static const struct json_field put_fields[] = {
	TOLD("name", name, CONTRACT_TEXT_MAX, "What it is called; Unknown unless given."),
	TOLD("chain", chain, CONTRACT_TEXT_MAX, "What its chain is called."),
	TOLD("symbol", symbol, CONTRACT_TEXT_MAX, "Its token's symbol."),
	TOLD("protocol", protocol, CONTRACT_TEXT_MAX, "The protocol that it is a part of."),
	TOLD("contractType", type, CONTRACT_TEXT_MAX, "What kind of contract it is."),
	TOLD("version", version, CONTRACT_TEXT_MAX, "Which version."),
	{ .name = "isProxy",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_contract, is_proxy),
	  .help = "It leads to another." },
	TOLD("implementationAddress", implementation, CONTRACT_ADDRESS_MAX, "Where it leads to."),
	TOLD("description", description, CONTRACT_DESCRIPTION_MAX, "A few words more."),
	TOLD("sourceCode", source, CONTRACT_SOURCE_MAX, "Its source."),
	{ .name = "abi",
	  .kind = JSON_RAW,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_contract, abi),
	  .max = CONTRACT_SOURCE_MAX,
	  .help = "Its interface, as JSON." },
};
const struct json_table rest_contract_table = { "Contract", sizeof(struct rest_contract),
	                                        put_fields, ARRAY_LEN(put_fields) };
