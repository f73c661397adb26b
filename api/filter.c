#include "api/filter.h"

enum { PAGE_NUMBER_MAX = 1000000 };

const char *filter_given(struct http_request *req, struct str text)
{
	return text.n > 0 ? arena_strdup(req->arena, text) : NULL;
}

bool filter_take_page(struct http_request *req, struct str page, struct session_filter *filter,
                      struct json_problems *problems)
{
	uint64_t number;

	if (page.n == 0) {
		return true;
	}
	if (parse_u64(page, PAGE_NUMBER_MAX, &number) && number > 0) {
		filter->skip = (number - 1) * filter->max;
		return true;
	}
	if (session_position_parse(page, &filter->after)) {
		return true;
	}
	json_problem_add(problems, req->arena, "page",
	                 "must be a number from 1 to %d, or the nextPage of an answer",
	                 PAGE_NUMBER_MAX);
	return false;
}

bool filter_take_label(struct http_request *req, struct str label, struct session_filter *filter,
                       struct json_problems *problems)
{
	struct str rest = label, name = str_split(&rest, '=');

	if (label.n == 0) {
		return true;
	}
	if (name.n == 0 || rest.p == NULL) {
		json_problem_add(problems, req->arena, "label", "must be name=value");
		return false;
	}
	filter->label_name = arena_strdup(req->arena, name);
	filter->label_value = arena_strdup(req->arena, rest);
	return true;
}
