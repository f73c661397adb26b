#include "api/items.h"

#include "api/answer.h"
#include "base/arena.h"

bool items_asked(struct http_request *req, struct http_reply *reply, struct rest_page *ret)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	if (rest_query(req, &rest_page_table, ret, problems) != ERR_OK) {
		answer_problems(req, reply, problems);
		return false;
	}
	return true;
}

bool items_asked_before(struct http_request *req, struct http_reply *reply, struct id *ret_before,
                        unsigned *ret_max)
{
	struct rest_page query;

	if (!items_asked(req, reply, &query)) {
		return false;
	}
	if (query.page.n > 0 && !id_parse(query.page, ret_before)) {
		answer_problem(req, reply, "page", "must be the nextPage of an answer");
		return false;
	}
	*ret_max = (unsigned)query.per_page;
	return true;
}

void items_begin(struct http_reply *reply, struct jsonw *w)
{
	jsonw_init(w, &reply->body);
	jsonw_object(w, NULL);
	jsonw_array(w, "items");
}

void items_end(struct jsonw *w, struct str next)
{
	jsonw_end_array(w);
	if (next.n > 0) {
		jsonw_str(w, "nextPage", next);
	}
	jsonw_end_object(w);
}
