/* Contracts that agents work with: /api/v1/contracts. */
#include "rest/contract.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "contract/contract_store.h"
#include "log/log.h"

enum { OFFSET_SIZE = 24 };

static const char *text_of(struct http_request *req, struct str text)
{
	return text.n > 0 ? arena_strdup(req->arena, text) : NULL;
}

/* False: the reply is filled. */
static bool take_filter(struct http_request *req, struct http_reply *reply,
                        struct contract_filter *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	char *address = arena_take(req->arena, CONTRACT_ADDRESS_MAX + 1);
	struct rest_contracts query;

	if (rest_query(req, &rest_contracts_table, &query, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	if (query.address.n > 0 && !contract_address_parse(query.address, address)) {
		answer_problem(req, reply, "address", "must be an address");
		return false;
	}
	*ret = (struct contract_filter){ .tenant = app_tenant(req),
		                         .chain_id = query.chain_id,
		                         .address = query.address.n > 0 ? address : NULL,
		                         .symbol = text_of(req, query.symbol),
		                         .name = text_of(req, query.name),
		                         .protocol = text_of(req, query.protocol),
		                         .type = text_of(req, query.type),
		                         .version = text_of(req, query.version),
		                         .skip = query.offset,
		                         .max = query.per_page };
	return true;
}

void serve_contract_list(struct http_request *req, struct http_reply *reply)
{
	struct contract_filter filter;
	struct contract_list list;
	char next[OFFSET_SIZE] = "";
	struct err err;
	struct jsonw w;

	if (!take_filter(req, reply, &filter)) {
		return;
	}
	if (contract_list(node_of(req)->pg, &filter, req->arena, &list, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < list.count; i++) {
		contract_write(&w, &list.items[i], false);
	}
	if (list.more) {
		(void)snprintf(next, sizeof(next), "%" PRIu64,
		               (uint64_t)(filter.skip + list.count));
	}
	items_end(&w, str_of(next));
}

/* What the path names: what cannot be a contract is none. False: the reply is filled. */
static bool take_key(struct http_request *req, struct http_reply *reply, uint64_t *ret_chain,
                     char address[CONTRACT_ADDRESS_MAX + 1])
{
	if (!parse_u64(req->params[0], CONTRACT_CHAIN_MAX, ret_chain) || *ret_chain == 0 ||
	    !contract_address_parse(req->params[1], address)) {
		answer_code(req, reply, ERR_NOT_FOUND, "contract not found");
		return false;
	}
	return true;
}

static void refuse(struct http_request *req, struct http_reply *reply, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_INVALID) {
		answer_code(req, reply, err->code, err->msg);
	} else {
		answer_error(req, reply, err);
	}
}

static void answer_contract(struct http_reply *reply, const struct contract *contract)
{
	struct jsonw w;

	jsonw_init(&w, &reply->body);
	contract_write(&w, contract, true);
}

void serve_contract_get(struct http_request *req, struct http_reply *reply)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract;
	uint64_t chain;
	struct err err;

	if (!take_key(req, reply, &chain, address)) {
		return;
	}
	if (contract_get(node_of(req)->pg, app_tenant(req), chain, address, req->arena, &contract,
	                 &err) != ERR_OK) {
		refuse(req, reply, &err);
		return;
	}
	answer_contract(reply, &contract);
}

/* False: the reply is filled. */
static bool take_body(struct http_request *req, struct http_reply *reply, struct contract *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct rest_contract body;

	if (json_decode(req->body, &rest_contract_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	ret->name = body.name;
	ret->chain = body.chain;
	ret->symbol = body.symbol;
	ret->protocol = body.protocol;
	ret->type = body.type;
	ret->version = body.version;
	ret->implementation = body.implementation;
	ret->description = body.description;
	ret->is_proxy = body.is_proxy;
	ret->source = body.source;
	ret->abi = body.abi;
	return true;
}

static const char *object_of(struct http_request *req, uint64_t chain, const char *address)
{
	return arena_printf(req->arena, "%" PRIu64 "/%s", chain, address);
}

void serve_contract_put(struct http_request *req, struct http_reply *reply)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	struct contract contract = { .is_proxy = false };
	struct pg *pg = node_of(req)->pg;
	struct once once;
	struct err err;
	bool is_new;

	if (!take_key(req, reply, &contract.chain_id, address) ||
	    !take_body(req, reply, &contract) || !once_begin(req, reply, &once)) {
		return;
	}
	contract.address = str_of(address);
	if (contract_put(pg, app_tenant(req), &contract, &is_new, &err) != ERR_OK ||
	    contract_get(pg, app_tenant(req), contract.chain_id, address, req->arena, &contract,
	                 &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	reply->status = is_new ? 201 : 200;
	answer_contract(reply, &contract);
	once.object = object_of(req, contract.chain_id, address);
	if (once_commit(req, reply, &once)) {
		log_info("contract.written", "chain=%" PRIu64 " address=%s by=%s",
		         contract.chain_id, address, auth_actor(app_who(req)));
	}
}

void serve_contract_delete(struct http_request *req, struct http_reply *reply)
{
	char address[CONTRACT_ADDRESS_MAX + 1];
	uint64_t chain;
	struct once once;
	struct err err;

	if (!take_key(req, reply, &chain, address) || !once_begin(req, reply, &once)) {
		return;
	}
	if (contract_delete(node_of(req)->pg, app_tenant(req), chain, address, &err) != ERR_OK) {
		once_abandon(&once);
		refuse(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	once.object = object_of(req, chain, address);
	if (once_commit(req, reply, &once)) {
		log_info("contract.deleted", "chain=%" PRIu64 " address=%s by=%s", chain, address,
		         auth_actor(app_who(req)));
	}
}
