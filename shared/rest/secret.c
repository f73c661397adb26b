#include "rest/secret.h"

#include "secret/secret.h"

enum { PROJECT_MAX = 64, PAGE_MAX = 256, PER_PAGE = 50, PER_PAGE_MAX = 200 };

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const struct rest_query_field list_fields[] = {
	{ .name = "project",
	  .kind = REST_TEXT,
	  .offset = offsetof(struct rest_secrets, project),
	  .present = offsetof(struct rest_secrets, has_project),
	  .max = PROJECT_MAX,
	  .help = "Only those of this project; empty: only those of all projects." },
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_secrets, page),
	  .min = 1,
	  .max = PAGE_MAX,
	  .help = "nextPage of the answer before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_secrets, per_page),
	  .min = 1,
	  .max = PER_PAGE_MAX,
	  .otherwise = PER_PAGE,
	  .help = "Secrets on a page." },
};
const struct rest_query_table rest_secrets_table = { sizeof(struct rest_secrets), list_fields,
	                                             ARRAY_LEN(list_fields) };

static const struct rest_query_field place_fields[] = {
	{ .name = "project",
	  .kind = REST_TEXT,
	  FIELD(rest_secrets, project),
	  .max = PROJECT_MAX,
	  .help = "That of this project; unless given that of all projects." },
};
const struct rest_query_table rest_secret_place_table = { sizeof(struct rest_secrets), place_fields,
	                                                  ARRAY_LEN(place_fields) };

static const struct json_field secret_fields[] = {
	{ .name = "value",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_secret, value),
	  .min = SECRET_VALUE_MIN,
	  .max = SECRET_VALUE_MAX,
	  .help = "It is never shown again." },
	{ .name = "project",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_secret, project),
	  .max = PROJECT_MAX,
	  .help = "For the sessions of this project, before one of the same name that is for all; "
	          "all "
	          "unless given." },
};
const struct json_table rest_secret_table = { "Secret", sizeof(struct rest_secret), secret_fields,
	                                      ARRAY_LEN(secret_fields) };
