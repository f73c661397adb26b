/* What models cost: /api/v1/prices. */
#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "api/once.h"
#include "cost/cost_json.h"
#include "log/log.h"
#include "rest/cost.h"

enum { PER_MILLION = 1000 }; /* thousands in it */

void serve_price_list(struct http_request *req, struct http_reply *reply)
{
	struct cost_prices prices;
	struct err err;
	struct jsonw w;

	if (cost_prices_list(node_of(req)->pg, req->arena, &prices, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		return;
	}
	items_begin(reply, &w);
	for (size_t i = 0; i < prices.count; i++) {
		cost_write_price(&w, &prices.items[i]);
	}
	items_end(&w, STR_LIT(""));
}

/* False: the reply is filled. */
static bool take_price(struct http_request *req, struct http_reply *reply, struct cost_price *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	const char *flaw = cost_model_flaw(req->params[0]);
	struct rest_price body;

	if (flaw != NULL) {
		answer_problem(req, reply, "model", flaw);
		return false;
	}
	if (json_decode(req->body, &rest_price_table, &body, req->arena, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	*ret = (struct cost_price){
		.input = body.input / PER_MILLION,
		.output = body.output / PER_MILLION,
		.cache_read = (body.has_read ? body.cache_read : body.input) / PER_MILLION,
		.cache_write = (body.has_write ? body.cache_write : body.input) / PER_MILLION,
	};
	return str_copy(ret->model, sizeof(ret->model), req->params[0]);
}

void serve_price_put(struct http_request *req, struct http_reply *reply)
{
	struct cost_price price;
	struct once once;
	struct err err;
	struct jsonw w;

	if (!take_price(req, reply, &price) || !once_begin(req, reply, &once)) {
		return;
	}
	if (cost_price_set(node_of(req)->pg, &price, &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	jsonw_init(&w, &reply->body);
	cost_write_price(&w, &price);
	once.object = arena_strdup(req->arena, str_of(price.model));
	if (once_commit(req, reply, &once)) {
		log_info("price.set", "model=%s by=%s", price.model, auth_actor(app_who(req)));
	}
}

void serve_price_delete(struct http_request *req, struct http_reply *reply)
{
	struct once once;
	struct err err;

	if (!once_begin(req, reply, &once)) {
		return;
	}
	if (cost_price_delete(node_of(req)->pg, req->params[0], &err) != ERR_OK) {
		once_abandon(&once);
		answer_error(req, reply, &err);
		return;
	}
	reply->status = 204;
	reply->content_type = NULL;
	once.object = arena_strdup(req->arena, req->params[0]);
	if (once_commit(req, reply, &once)) {
		log_info("price.deleted", "model=%s by=%s", once.object, auth_actor(app_who(req)));
	}
}
