#include "contract/contract_store.h"

#include "contract_sql_gen.h"
#include "json/value.h"

enum {
	CHAIN_ID,
	ADDRESS,
	CHAIN,
	NAME,
	SYMBOL,
	PROTOCOL,
	TYPE,
	VERSION,
	IMPLEMENTATION,
	DESCRIPTION,
	IS_PROXY,
	SOURCE,
	ABI,
	UPDATED,
};

static const struct text *sql(enum contract_sql_id id)
{
	return &contract_sql_texts[id];
}

static bool is_hex(struct str digits)
{
	for (size_t i = 0; i < digits.n; i++) {
		char c = digits.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
			return false;
		}
	}
	return digits.n > 0;
}

bool contract_address_parse(struct str text, char ret[CONTRACT_ADDRESS_MAX + 1])
{
	bool hex = text.n > 2 && text.p[0] == '0' && (text.p[1] == 'x' || text.p[1] == 'X') &&
	           is_hex(str_make(text.p + 2, text.n - 2));

	if (text.n == 0 || text.n > CONTRACT_ADDRESS_MAX) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c <= ' ' || c > '~' || c == '/') {
			return false;
		}
		ret[i] = (char)(hex && c >= 'A' && c <= 'X' ? c - 'A' + 'a' : c);
	}
	ret[text.n] = '\0';
	return true;
}

/* ---- reading ---- */

static struct contract from_row(struct pg_rows *rows, size_t i, struct arena *arena)
{
#define TEXT(column) arena_str(arena, pg_str(rows, i, column))
	return (struct contract){
		.chain_id = pg_u64(rows, i, CHAIN_ID),
		.address = TEXT(ADDRESS),
		.chain = TEXT(CHAIN),
		.name = TEXT(NAME),
		.symbol = TEXT(SYMBOL),
		.protocol = TEXT(PROTOCOL),
		.type = TEXT(TYPE),
		.version = TEXT(VERSION),
		.implementation = TEXT(IMPLEMENTATION),
		.description = TEXT(DESCRIPTION),
		.is_proxy = pg_bool(rows, i, IS_PROXY),
		.source = TEXT(SOURCE),
		.abi = TEXT(ABI),
		.updated_us = pg_i64(rows, i, UPDATED),
	};
#undef TEXT
}

enum err_code contract_list(struct pg *pg, const struct contract_filter *filter,
                            struct arena *arena, struct contract_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	if (filter->chain_id > 0) {
		pg_param_u64(&params, filter->chain_id);
	} else {
		pg_param_null(&params);
	}
	pg_param_cstr(&params, filter->address);
	pg_param_cstr(&params, filter->symbol);
	pg_param_cstr(&params, filter->name);
	pg_param_cstr(&params, filter->protocol);
	pg_param_cstr(&params, filter->type);
	pg_param_cstr(&params, filter->version);
	pg_param_u64(&params, filter->skip);
	pg_param_u64(&params, filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(CONTRACT_SQL_CONTRACT_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? (size_t)filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = from_row(rows, i, arena);
	}
	return ERR_OK;
}

enum err_code contract_get(struct pg *pg, const char *tenant, uint64_t chain_id,
                           const char *address, struct arena *arena, struct contract *ret,
                           struct err *err)
{
	const struct contract_filter only = {
		.tenant = tenant, .chain_id = chain_id, .address = address, .max = 1
	};
	struct contract_list list;
	enum err_code code = contract_list(pg, &only, arena, &list, err);

	if (code == ERR_OK && list.count == 0) {
		return err_set(err, ERR_NOT_FOUND, "contract not found");
	}
	if (code == ERR_OK) {
		*ret = list.items[0];
	}
	return code;
}

/* ---- changing ---- */

static enum err_code check(const struct contract *c, struct err *err)
{
	const struct {
		const char *name;
		struct str text;
		size_t max;
	} texts[] = {
		{ "chain", c->chain, CONTRACT_TEXT_MAX },
		{ "name", c->name, CONTRACT_TEXT_MAX },
		{ "symbol", c->symbol, CONTRACT_TEXT_MAX },
		{ "protocol", c->protocol, CONTRACT_TEXT_MAX },
		{ "contractType", c->type, CONTRACT_TEXT_MAX },
		{ "version", c->version, CONTRACT_TEXT_MAX },
		{ "implementationAddress", c->implementation, CONTRACT_ADDRESS_MAX },
		{ "description", c->description, CONTRACT_DESCRIPTION_MAX },
		{ "sourceCode", c->source, CONTRACT_SOURCE_MAX },
		{ "abi", c->abi, CONTRACT_SOURCE_MAX },
	};
	struct json_value *abi;

	if (c->chain_id == 0 || c->chain_id > CONTRACT_CHAIN_MAX) {
		return err_set(err, ERR_INVALID, "chainId must be 1 to %llu", CONTRACT_CHAIN_MAX);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].text.n > texts[i].max || !str_is_utf8(texts[i].text) ||
		    (texts[i].text.n > 0 &&
		     memchr(texts[i].text.p, '\0', texts[i].text.n) != NULL)) {
			return err_set(err, ERR_INVALID, "%s must be at most %zu bytes of UTF-8",
			               texts[i].name, texts[i].max);
		}
	}
	abi = c->abi.n > 0 ? json_parse(c->abi, err) : NULL;
	if (c->abi.n > 0 && abi == NULL) {
		return err_wrap(err, "abi");
	}
	json_value_free(abi);
	return ERR_OK;
}

static void add_text(struct pg_params *params, struct str text)
{
	if (text.n > 0) {
		pg_param_text(params, text);
	} else {
		pg_param_null(params);
	}
}

enum err_code contract_put(struct pg *pg, const char *tenant, const struct contract *contract,
                           bool *ret_new, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code = check(contract, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, tenant);
	pg_param_u64(&params, contract->chain_id);
	pg_param_text(&params, contract->address);
	add_text(&params, contract->chain);
	pg_param_text(&params, contract->name.n > 0 ? contract->name : STR_LIT("Unknown"));
	add_text(&params, contract->symbol);
	add_text(&params, contract->protocol);
	add_text(&params, contract->type);
	add_text(&params, contract->version);
	add_text(&params, contract->implementation);
	add_text(&params, contract->description);
	pg_param_bool(&params, contract->is_proxy);
	add_text(&params, contract->source);
	add_text(&params, contract->abi);
	code = pg_query(pg, tenant, sql(CONTRACT_SQL_CONTRACT_PUT), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_new = pg_bool(rows, 0, 0);
	}
	return code;
}

enum err_code contract_delete(struct pg *pg, const char *tenant, uint64_t chain_id,
                              const char *address, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_u64(&params, chain_id);
	pg_param_cstr(&params, address);
	code = pg_query(pg, tenant, sql(CONTRACT_SQL_CONTRACT_DELETE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "contract not found")
	               : code;
}
