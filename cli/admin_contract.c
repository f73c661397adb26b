/* `fairlead admin contract ...` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "contract/contract_store.h"

#define TENANT_JSON OPTION_TENANT, OPTION_JSON

static const struct column columns[] = {
	{ "CHAIN", "chainId" },     { "ADDRESS", "address" },
	{ "NAME", "name" },         { "SYMBOL", "symbol" },
	{ "PROTOCOL", "protocol" }, { "TYPE", "contractType" },
	{ "VERSION", "version" },   { "PROXY", "isProxy" },
	{ NULL, "chain" },          { NULL, "implementationAddress" },
	{ NULL, "description" },    { NULL, "updatedAt" },
	{ NULL, "sourceCode" },     { NULL, "abi" },
};

/* What the options say: the member, the option that sets it and the one that clears it. */
static const struct {
	enum option_id set, clear;
	size_t at;
} texts[] = {
	{ OPTION_NAME, OPTION_CLEAR_NAME, offsetof(struct contract, name) },
	{ OPTION_CHAIN_NAME, OPTION_NONE, offsetof(struct contract, chain) },
	{ OPTION_SYMBOL, OPTION_CLEAR_SYMBOL, offsetof(struct contract, symbol) },
	{ OPTION_PROTOCOL, OPTION_CLEAR_PROTOCOL, offsetof(struct contract, protocol) },
	{ OPTION_TYPE, OPTION_CLEAR_TYPE, offsetof(struct contract, type) },
	{ OPTION_VERSION, OPTION_CLEAR_VERSION, offsetof(struct contract, version) },
	{ OPTION_IMPLEMENTATION, OPTION_CLEAR_IMPLEMENTATION,
	  offsetof(struct contract, implementation) },
	{ OPTION_DESCRIPTION, OPTION_CLEAR_DESCRIPTION, offsetof(struct contract, description) },
};

/* Which one. False: a sentence was printed. */
static bool take_key(const struct call *call, uint64_t *ret_chain,
                     char address[CONTRACT_ADDRESS_MAX + 1])
{
	if (!parse_u64(str_of(call->words[0]), CONTRACT_CHAIN_MAX, ret_chain) || *ret_chain == 0) {
		(void)admin_wrong("CHAIN-ID must be 1 to %llu", CONTRACT_CHAIN_MAX);
		return false;
	}
	if (!contract_address_parse(str_of(call->words[1]), address)) {
		(void)admin_wrong("ADDRESS must be 1 to %d letters and digits",
		                  CONTRACT_ADDRESS_MAX);
		return false;
	}
	return true;
}

static int show(struct call *call, const struct contract *contract, bool whole)
{
	struct admin_answer answer;

	admin_begin(&answer);
	contract_write(&answer.w, contract, whole);
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

/* ---- looking ---- */

static int run_list(struct call *call)
{
	struct contract_filter filter = { .tenant = admin_tenant_of(call),
		                          .chain_id = call->said[OPTION_CHAIN].number,
		                          .symbol = call_text(call, OPTION_SYMBOL),
		                          .name = call_text(call, OPTION_NAME),
		                          .protocol = call_text(call, OPTION_PROTOCOL),
		                          .type = call_text(call, OPTION_TYPE),
		                          .version = call_text(call, OPTION_VERSION),
		                          .skip = call->said[OPTION_OFFSET].number,
		                          .max = call_has(call, OPTION_LIMIT)
		                                         ? call->said[OPTION_LIMIT].number
		                                         : CONTRACT_LISTED_MAX };
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct admin_answer answer;
	struct contract_list list;
	struct err err;

	if (call_has(call, OPTION_ADDRESS)) {
		if (!contract_address_parse(str_of(call_text(call, OPTION_ADDRESS)), address)) {
			return admin_wrong("--address must be 1 to %d letters and digits",
			                   CONTRACT_ADDRESS_MAX);
		}
		filter.address = address;
	}
	if (contract_list(admin_local(call)->pg, &filter, admin_arena(call), &list, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (size_t i = 0; i < list.count; i++) {
		contract_write(&answer.w, &list.items[i], false);
	}
	return admin_end_items(call, &answer, columns, ARRAY_LEN(columns));
}

static int run_show(struct call *call)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract;
	uint64_t chain;
	struct err err;

	if (!take_key(call, &chain, address)) {
		return EXIT_USAGE;
	}
	return contract_get(admin_local(call)->pg, admin_tenant_of(call), chain, address,
	                    admin_arena(call), &contract, &err) == ERR_OK
	               ? show(call, &contract, true)
	               : admin_fail(&err);
}

/* ---- changing ---- */

/* A file of --source-file or --abi-file, if that was said. */
static enum err_code read_file(const struct call *call, enum option_id option, struct str *ret,
                               struct err *err)
{
	const char *path = call_text(call, option);
	char *text;
	FILE *file;
	size_t n;

	if (path == NULL) {
		return ERR_OK;
	}
	file = fopen(path, "re");
	if (file == NULL) {
		return err_set(err, ERR_INVALID, "%s cannot be read", path);
	}
	text = arena_take(admin_arena(call), CONTRACT_SOURCE_MAX + 1);
	n = fread(text, 1, CONTRACT_SOURCE_MAX + 1, file);
	(void)fclose(file);
	*ret = str_make(text, n);
	return n <= CONTRACT_SOURCE_MAX ? ERR_OK
	                                : err_set(err, ERR_INVALID, "%s has more than %d bytes",
	                                          path, CONTRACT_SOURCE_MAX);
}

/* False: a sentence was printed. *ret_any: something is to be changed. */
static bool check_options(const struct call *call, bool *ret_any)
{
	*ret_any = call_has(call, OPTION_IS_PROXY) || call_has(call, OPTION_NOT_PROXY) ||
	           call_has(call, OPTION_SOURCE) || call_has(call, OPTION_ABI);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!call_either(call, texts[i].set, texts[i].clear)) {
			return false;
		}
		*ret_any =
			*ret_any || call_has(call, texts[i].set) || call_has(call, texts[i].clear);
	}
	return call_either(call, OPTION_IS_PROXY, OPTION_NOT_PROXY);
}

static enum err_code apply(const struct call *call, struct contract *contract, struct err *err)
{
	enum err_code code;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct str *text = (struct str *)(void *)((char *)contract + texts[i].at);

		if (call_has(call, texts[i].set)) {
			*text = str_of(call_text(call, texts[i].set));
		} else if (call_has(call, texts[i].clear)) {
			*text = (struct str){ NULL, 0 };
		}
	}
	contract->is_proxy = call_has(call, OPTION_IS_PROXY) ||
	                     (contract->is_proxy && !call_has(call, OPTION_NOT_PROXY));
	code = read_file(call, OPTION_SOURCE, &contract->source, err);
	return code == ERR_OK ? read_file(call, OPTION_ABI, &contract->abi, err) : code;
}

static const char *object_of(const struct call *call, const struct contract *contract)
{
	return arena_printf(admin_arena(call), "%" PRIu64 "/%" STR_FMT, contract->chain_id,
	                    STR_ARG(contract->address));
}

static int put(struct call *call, struct contract *contract)
{
	struct pg *pg = admin_local(call)->pg;
	struct contract now;
	struct err err;
	bool is_new;

	if (apply(call, contract, &err) != ERR_OK ||
	    contract_put(pg, admin_tenant_of(call), contract, &is_new, &err) != ERR_OK ||
	    contract_get(pg, admin_tenant_of(call), contract->chain_id, contract->address.p,
	                 admin_arena(call), &now, &err) != ERR_OK ||
	    admin_settle(call, "contract", object_of(call, contract), &err) != ERR_OK) {
		return err.code == ERR_INVALID ? admin_wrong("%s", err.msg) : admin_fail(&err);
	}
	return show(call, &now, false);
}

static int run_set(struct call *call)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract = { .is_proxy = false };
	bool any;

	if (!take_key(call, &contract.chain_id, address) || !check_options(call, &any)) {
		return EXIT_USAGE;
	}
	contract.address = str_of(address);
	return put(call, &contract);
}

static int run_update(struct call *call)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract;
	uint64_t chain;
	struct err err;
	bool any;

	if (!take_key(call, &chain, address) || !check_options(call, &any)) {
		return EXIT_USAGE;
	}
	if (!any) {
		return admin_wrong("no fields provided to update");
	}
	return contract_get(admin_local(call)->pg, admin_tenant_of(call), chain, address,
	                    admin_arena(call), &contract, &err) == ERR_OK
	               ? put(call, &contract)
	               : admin_fail(&err);
}

static int run_delete(struct call *call)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract = { .is_proxy = false };
	struct err err;

	if (!take_key(call, &contract.chain_id, address)) {
		return EXIT_USAGE;
	}
	contract.address = str_of(address);
	if (contract_delete(admin_local(call)->pg, admin_tenant_of(call), contract.chain_id,
	                    address, &err) != ERR_OK ||
	    admin_settle(call, "contract", object_of(call, &contract), &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return admin_done(call, "address", address, "deleted");
}

static const struct verb verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "Contracts, the last changed first.",
	  { OPTION_CHAIN, OPTION_ADDRESS, OPTION_SYMBOL, OPTION_NAME, OPTION_PROTOCOL, OPTION_TYPE,
	    OPTION_VERSION, OPTION_LIMIT, OPTION_OFFSET, TENANT_JSON } },
	{ "show",
	  "CHAIN-ID ADDRESS",
	  2,
	  2,
	  run_show,
	  "One, with its source and interface.",
	  { TENANT_JSON } },
	{ "create",
	  "CHAIN-ID ADDRESS",
	  2,
	  2,
	  run_set,
	  "Write one down; what is there already is replaced.",
	  { OPTION_NAME, OPTION_CHAIN_NAME, OPTION_SYMBOL, OPTION_PROTOCOL, OPTION_TYPE,
	    OPTION_VERSION, OPTION_IS_PROXY, OPTION_IMPLEMENTATION, OPTION_DESCRIPTION,
	    OPTION_SOURCE, OPTION_ABI, TENANT_JSON } },
	{ "update",
	  "CHAIN-ID ADDRESS",
	  2,
	  2,
	  run_update,
	  "Change what is known of one.",
	  { OPTION_NAME,
	    OPTION_CLEAR_NAME,
	    OPTION_CHAIN_NAME,
	    OPTION_SYMBOL,
	    OPTION_CLEAR_SYMBOL,
	    OPTION_PROTOCOL,
	    OPTION_CLEAR_PROTOCOL,
	    OPTION_TYPE,
	    OPTION_CLEAR_TYPE,
	    OPTION_VERSION,
	    OPTION_CLEAR_VERSION,
	    OPTION_IS_PROXY,
	    OPTION_NOT_PROXY,
	    OPTION_IMPLEMENTATION,
	    OPTION_CLEAR_IMPLEMENTATION,
	    OPTION_DESCRIPTION,
	    OPTION_CLEAR_DESCRIPTION,
	    OPTION_SOURCE,
	    OPTION_ABI,
	    TENANT_JSON } },
	{ "delete",
	  "CHAIN-ID ADDRESS",
	  2,
	  2,
	  run_delete,
	  "Forget one.",
	  { OPTION_YES, TENANT_JSON } },
};

const struct verb_group admin_contract = {
	.command = "admin",
	.name = "contract",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes = "Contracts that agents work with. Hexadecimal addresses are the same in capital "
		 "and small\nletters.\n",
};
