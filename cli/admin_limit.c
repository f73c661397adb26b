/* `fairlead admin limit ...`: how many sessions may run at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/admin.h"
#include "cli/admin_weight.h"
#include "limit/limit_store.h"

enum { PAGE = 64, LIMIT_ID_SIZE = 256 };

static const struct column columns[] = {
	{ "KIND", "kind" },
	{ "TENANT", "tenant" },
	{ "NAME", "name" },
	{ "VALUE", "value" },
};

static void write_limit(struct jsonw *w, const struct limit *limit)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "kind", limit_kind_name(limit->kind));
	if (limit->tenant[0] != '\0') {
		jsonw_cstr(w, "tenant", limit->tenant);
	}
	if (limit->name[0] != '\0') {
		jsonw_cstr(w, "name", limit->name);
	}
	if (limit->none) {
		jsonw_null(w, "value");
	} else {
		jsonw_u64(w, "value", limit->value);
	}
	jsonw_end_object(w);
}

static enum err_code list_all(struct pg *pg, struct jsonw *w, struct err *err)
{
	struct limit *items = mem_calloc(PAGE, sizeof(*items));
	size_t count = PAGE;
	uint64_t after = 0;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == PAGE) {
		code = limit_list(pg, after, items, PAGE, &count, err);
		for (size_t i = 0; code == ERR_OK && i < count; i++) {
			after = items[i].version;
			if (!items[i].none) {
				write_limit(w, &items[i]);
			}
		}
	}
	free(items);
	return code;
}

static int run_list(struct call *call)
{
	struct admin_answer answer;
	struct err err;

	admin_begin_items(&answer);
	if (list_all(admin_local(call)->pg, &answer.w, &err) != ERR_OK) {
		buf_fini(&answer.out);
		return admin_fail(&err);
	}
	return admin_end_items(call, &answer, columns, ARRAY_LEN(columns));
}

static bool parse_value(const char *word, struct limit *limit)
{
	limit->none = strcmp(word, "none") == 0;
	return limit->none || parse_u64(str_of(word), LIMIT_VALUE_MAX, &limit->value);
}

static int set(struct call *call, const struct limit *limit)
{
	char id[LIMIT_ID_SIZE];
	struct admin_answer answer;
	struct err err;

	(void)snprintf(id, sizeof(id), "%s/%s/%s", limit_kind_name(limit->kind),
	               limit->tenant[0] != '\0' ? limit->tenant : "*", limit->name);
	if (limit_set(admin_local(call)->pg, limit, &err) != ERR_OK ||
	    admin_settle(call, "limit", id, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	write_limit(&answer.w, limit);
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

/* EXIT_DONE: they make sense. */
static int take_words(const struct call *call, struct limit *ret)
{
	const char *tenant = call_text(call, OPTION_LIMITED),
		   *name = call_text(call, OPTION_LIMITED_NAME);

	*ret = (struct limit){ .none = false };
	if (!limit_kind_parse(str_of(call->words[0]), &ret->kind) || ret->kind == QUEUE_WEIGHT) {
		return admin_wrong("KIND must be tenant, user, project, agent or key");
	}
	if (!parse_value(call->words[1], ret)) {
		return admin_wrong("a limit must be 0 to %d, or \"none\"", LIMIT_VALUE_MAX);
	}
	if (!str_copy(ret->tenant, sizeof(ret->tenant), str_of(tenant)) ||
	    !str_copy(ret->name, sizeof(ret->name), str_of(name))) {
		return admin_wrong("the name is too long");
	}
	return EXIT_DONE;
}

static int run_set(struct call *call)
{
	struct limit limit;
	int status = take_words(call, &limit);

	return status == EXIT_DONE ? set(call, &limit) : status;
}

/* What is wrong with the words is told without a database too. */
static int around(struct call *call)
{
	struct limit ignored;
	int status = call->verb->run == run_set ? take_words(call, &ignored) : EXIT_DONE;

	return status == EXIT_DONE ? admin_around(call) : status;
}

int admin_set_weight(struct call *call)
{
	struct limit limit = { .kind = QUEUE_WEIGHT };

	if (!str_copy(limit.tenant, sizeof(limit.tenant), str_of(call->words[0])) ||
	    !parse_value(call->words[1], &limit) || (!limit.none && limit.value == 0)) {
		return admin_wrong("a weight must be 1 to %d, or \"none\"", LIMIT_VALUE_MAX);
	}
	return set(call, &limit);
}

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "All limits and weights.", { OPTION_JSON } },
	{ "set",
	  "KIND NUMBER|none",
	  2,
	  2,
	  run_set,
	  "How many sessions of it may run at a time.",
	  { OPTION_LIMITED, OPTION_LIMITED_NAME, OPTION_JSON } },
};

const struct verb_group admin_limit = {
	.command = "admin",
	.name = "limit",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = around,
	.notes = "KIND is tenant, user, project, agent or key, and NUMBER how many sessions of it "
		 "may run at\na time. With --tenant it is said of that tenant, with --name of one "
		 "of its users (the owner\nof keys, or the id of a key without one), projects, "
		 "types of agents or keys of concurrency;\nwithout both, of all that have none of "
		 "their own. It takes effect within a second.\n",
};
