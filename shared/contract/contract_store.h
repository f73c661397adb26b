/*
 * Contracts that agents work with, as rows: where they are on which chain, what they are, and their
 * source and interface.  A tenant's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "pg/pg.h"

enum {
	CONTRACT_ADDRESS_MAX = 128,
	CONTRACT_TEXT_MAX = 256,
	CONTRACT_DESCRIPTION_MAX = 4096,
	CONTRACT_SOURCE_MAX = 1024 * 1024,
	CONTRACT_LISTED_MAX = 1000,
};
#define CONTRACT_CHAIN_MAX 9007199254740991ULL /* what JSON's numbers carry exactly */

/* Of the arena. "" where nothing is known. */
struct contract {
	uint64_t chain_id; /* 1 to CONTRACT_CHAIN_MAX */
	struct str address;
	struct str chain, name, symbol, protocol, type, version, implementation, description;
	bool is_proxy;
	struct str source, abi; /* abi: JSON */
	int64_t updated_us;     /* read */
};

/* 1 to 128 printable bytes without spaces and slashes, in the form in which they are kept: hex
 * digits (0x...) do not tell case apart, others do. */
bool contract_address_parse(struct str text, char ret[CONTRACT_ADDRESS_MAX + 1]) MUST_CHECK;

/* NULL and 0 filter nothing. */
struct contract_filter {
	const char *tenant;
	uint64_t chain_id;
	const char *address; /* in its form */
	const char *symbol;  /* without regard to case, like the next two */
	const char *name;    /* it is a part of the name */
	const char *protocol;
	const char *type, *version;
	uint64_t skip;
	uint64_t max; /* at most CONTRACT_LISTED_MAX */
};

struct contract_list {
	struct contract *items; /* of the arena, the last changed first */
	size_t count;
	bool more;
};

enum err_code contract_list(struct pg *pg, const struct contract_filter *filter,
                            struct arena *arena, struct contract_list *ret,
                            struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: the tenant has none there. */
enum err_code contract_get(struct pg *pg, const char *tenant, uint64_t chain_id,
                           const char *address, struct arena *arena, struct contract *ret,
                           struct err *err) MUST_CHECK;
/* ERR_INVALID: something is too long, or abi is no JSON; the message names it. */
enum err_code contract_put(struct pg *pg, const char *tenant, const struct contract *contract,
                           bool *ret_new, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND: there was none. */
enum err_code contract_delete(struct pg *pg, const char *tenant, uint64_t chain_id,
                              const char *address, struct err *err) MUST_CHECK;

struct jsonw;
/* whole: with source and abi. */
void contract_write(struct jsonw *w, const struct contract *contract, bool whole);
