/* `fairlead admin tenant ...` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/admin_weight.h"
#include "rate/rate_store.h"
#include "user/user.h"

enum { DAY_S = 86400, DAYS_MAX = 36500, TEXT_SIZE = 32 };

static const struct column columns[] = {
	{ "TENANT", "id" },
	{ "RETENTION", "retention" },
	{ "STATE", "state" },
	{ "NAME", "name" },
};

static void format_retention(uint64_t seconds, char out[TEXT_SIZE])
{
	if (seconds == TENANT_RETENTION_DEFAULT) {
		(void)snprintf(out, TEXT_SIZE, "default");
	} else if (seconds == TENANT_RETENTION_EVER) {
		(void)snprintf(out, TEXT_SIZE, "forever");
	} else if (seconds % DAY_S == 0) {
		(void)snprintf(out, TEXT_SIZE, "%" PRIu64 " days", seconds / DAY_S);
	} else {
		(void)snprintf(out, TEXT_SIZE, "%" PRIu64 " s", seconds);
	}
}

static void write_tenant(struct jsonw *w, const struct tenant *tenant)
{
	char text[TEXT_SIZE];

	format_retention(tenant->retention_s, text);
	jsonw_object(w, NULL);
	jsonw_str(w, "id", tenant->id);
	jsonw_str(w, "name", tenant->name);
	jsonw_cstr(w, "retention", text);
	if (tenant->retention_s != TENANT_RETENTION_DEFAULT) {
		jsonw_u64(w, "retentionSeconds", tenant->retention_s);
	}
	jsonw_cstr(w, "state", tenant->disabled ? "disabled" : "usable");
	jsonw_bool(w, "disabled", tenant->disabled);
	jsonw_end_object(w);
}

static int run_list(struct call *call)
{
	struct admin_answer answer;
	struct tenant_list list;
	struct err err;

	if (tenant_list(admin_local(call)->pg, admin_arena(call), &list, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (size_t i = 0; i < list.count; i++) {
		write_tenant(&answer.w, &list.items[i]);
	}
	return admin_end_items(call, &answer, columns, ARRAY_LEN(columns));
}

/* The tenant as it is now. */
static int show(struct call *call, const char *id)
{
	struct admin_answer answer;
	struct tenant_list list;
	struct err err;

	if (tenant_list(admin_local(call)->pg, admin_arena(call), &list, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	for (size_t i = 0; i < list.count; i++) {
		if (str_eq(list.items[i].id, str_of(id))) {
			write_tenant(&answer.w, &list.items[i]);
		}
	}
	return admin_end(call, &answer, columns, ARRAY_LEN(columns));
}

static int settle(struct call *call, enum err_code code, struct err *err)
{
	const char *id = call->words[0];

	if (code == ERR_NOT_FOUND) {
		(void)err_set(err, code, "there is no tenant %s", id);
	}
	if (code != ERR_OK || admin_settle(call, "tenant", id, err) != ERR_OK) {
		return admin_fail(err);
	}
	return show(call, id);
}

static int run_create(struct call *call)
{
	const char *id = call->words[0], *name = call_text(call, OPTION_NAME);
	struct err err;
	enum err_code code;

	if (!tenant_id_ok(str_of(id))) {
		return admin_wrong("a tenant's id must be 1 to %d letters, digits, dashes and "
		                   "underscores",
		                   TENANT_ID_MAX);
	}
	if (name != NULL && !user_name_ok(str_of(name))) {
		return admin_wrong("--name must be 1 to %d bytes without control characters",
		                   USER_NAME_MAX);
	}
	code = tenant_create(admin_local(call)->pg, id, name != NULL ? name : id, &err);
	if (code == ERR_CONFLICT) {
		(void)err_set(&err, code, "another tenant has that id or name");
	}
	return settle(call, code, &err);
}

static int run_disable(struct call *call)
{
	struct err err;

	return settle(call, tenant_disable(admin_local(call)->pg, call->words[0], true, &err),
	              &err);
}

static int run_enable(struct call *call)
{
	struct err err;

	return settle(call, tenant_disable(admin_local(call)->pg, call->words[0], false, &err),
	              &err);
}

static bool parse_retention(const char *word, uint64_t *ret)
{
	uint64_t days;

	if (strcmp(word, "default") == 0) {
		*ret = TENANT_RETENTION_DEFAULT;
		return true;
	}
	if (strcmp(word, "forever") == 0) {
		*ret = TENANT_RETENTION_EVER;
		return true;
	}
	if (!parse_u64(str_of(word), DAYS_MAX, &days) || days == 0) {
		return false;
	}
	*ret = days * DAY_S;
	return true;
}

static int run_retention(struct call *call)
{
	uint64_t seconds;
	struct err err;

	if (!parse_retention(call->words[1], &seconds)) {
		return admin_wrong("retention must be 1 to %d days, \"forever\" or \"default\"",
		                   DAYS_MAX);
	}
	return settle(call,
	              tenant_set_retention(admin_local(call)->pg, call->words[0], seconds, &err),
	              &err);
}

static const struct column rate_columns[] = { { "TENANT", "id" },
	                                      { "KIND", "kind" },
	                                      { "LIMITS", "limits" } };

static void write_rate(struct jsonw *w, const struct call *call, enum rate_kind kind,
                       const char *limits)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", call->words[0]);
	jsonw_cstr(w, "kind", rate_kind_name(kind));
	jsonw_cstr(w, "limits", limits);
	jsonw_end_object(w);
}

/* Its limits as they are now; those of the settings are the nodes' to know. */
static int show_rates(struct call *call)
{
	const char *texts[RATE_KIND_COUNT];
	struct admin_answer answer;
	struct err err;

	if (rate_store_get(admin_local(call)->pg, call->words[0], admin_arena(call), texts, &err) !=
	    ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin_items(&answer);
	for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
		if (i != RATE_ADDRESS) {
			write_rate(&answer.w, call, (enum rate_kind)i,
			           texts[i] != NULL ? texts[i] : "default");
		}
	}
	return admin_end_items(call, &answer, rate_columns, ARRAY_LEN(rate_columns));
}

static bool parse_rate_kind(const char *word, enum rate_kind *ret)
{
	for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
		if (i != RATE_ADDRESS && strcmp(word, rate_kind_name((enum rate_kind)i)) == 0) {
			*ret = (enum rate_kind)i;
			return true;
		}
	}
	return false;
}

static int run_rate(struct call *call)
{
	struct str limits = { NULL, 0 };
	struct admin_answer answer;
	enum rate_kind kind;
	struct err err;

	if (call->word_count == 1) {
		return show_rates(call);
	}
	if (call->word_count == 2) {
		return call_misused(call);
	}
	if (!parse_rate_kind(call->words[1], &kind)) {
		return admin_wrong("limits are for tenant, user or key");
	}
	if (strcmp(call->words[2], "default") != 0) {
		limits = str_of(call->words[2]);
	}
	if (rate_store_set(admin_local(call)->pg, call->words[0], kind, limits, &err) != ERR_OK ||
	    admin_settle(call, "tenant", call->words[0], &err) != ERR_OK) {
		return admin_fail(&err);
	}
	admin_begin(&answer);
	write_rate(&answer.w, call, kind, call->words[2]);
	return admin_end(call, &answer, rate_columns, ARRAY_LEN(rate_columns));
}

static const struct verb verbs[] = {
	{ "list", NULL, 0, 0, run_list, "All tenants.", { OPTION_JSON } },
	{ "create", "TENANT", 1, 1, run_create, "Make a tenant.", { OPTION_NAME, OPTION_JSON } },
	{ "disable",
	  "TENANT",
	  1,
	  1,
	  run_disable,
	  "Let nobody of a tenant in; what runs goes on.",
	  { OPTION_JSON } },
	{ "enable", "TENANT", 1, 1, run_enable, "Let them in again.", { OPTION_JSON } },
	{ "retention",
	  "TENANT DAYS|forever|default",
	  2,
	  2,
	  run_retention,
	  "How long its logs are kept.",
	  { OPTION_JSON } },
	{ "weight",
	  "TENANT NUMBER|none",
	  2,
	  2,
	  admin_set_weight,
	  "Its share of the workers.",
	  { OPTION_JSON } },
	{ "rate",
	  "TENANT [tenant|user|key LIMITS|default]",
	  1,
	  3,
	  run_rate,
	  "How often it, or each of its users or keys, may ask; without limits it tells them.",
	  { OPTION_JSON } },
};

const struct verb_group admin_tenant = {
	.command = "admin",
	.name = "tenant",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes =
		"Logs are removed that many days after they were written, and an ended session "
		"with the\nlast of its log; default is what the setting retention.default says. "
		"A tenant of weight 3\ngets three turns for each one of a tenant of weight 1, "
		"which all have. LIMITS are written as\nin the settings rate.*: \"read=600/1m:1200 "
		"write=60/1m\"; they take the place of the setting\nwithin two seconds.\n",
};
