/* What the routes of secrets take. */
#pragma once

#include "json/decode.h"
#include "rest/query.h"

struct rest_secrets {
	struct str project, page;
	bool has_project;
	uint64_t per_page;
};
extern const struct rest_query_table rest_secrets_table, rest_secret_place_table;

struct rest_secret {
	struct str value, project;
};
extern const struct json_table rest_secret_table;
