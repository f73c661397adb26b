/*
 * Every embedded query is parsed by a server that has the migrated schema, so one that does
 * not fit fails here and not at night.  A noun adds one #include and one line to the table.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aomi_sql_gen.h"
#include "approval_sql_gen.h"
#include "audit_sql_gen.h"
#include "auth_sql_gen.h"
#include "base/buf.h"
#include "base/str.h"
#include "command_sql_gen.h"
#include "contract_sql_gen.h"
#include "cordon_sql_gen.h"
#include "cost_sql_gen.h"
#include "delivery_sql_gen.h"
#include "event_sql_gen.h"
#include "idempotency_sql_gen.h"
#include "login_sql_gen.h"
#include "loop/loop.h"
#include "oidc_sql_gen.h"
#include "pg/schema.h"
#include "pg_sql_gen.h"
#include "rate_sql_gen.h"
#include "schedule_sql_gen.h"
#include "secret_sql_gen.h"
#include "session_sql_gen.h"
#include "task_sql_gen.h"
#include "tenant_sql_gen.h"
#include "tests/support/test.h"
#include "token_sql_gen.h"
#include "upload_sql_gen.h"
#include "user_sql_gen.h"
#include "webhook_sql_gen.h"

static const struct noun {
	const struct text *texts;
	size_t count;
} nouns[] = {
	/* clang-format off */ /* one line a noun, so that two can be added at once */
	{ pg_sql_texts, PG_SQL_COUNT },
	{ tenant_sql_texts, TENANT_SQL_COUNT },
	{ auth_sql_texts, AUTH_SQL_COUNT },
	{ token_sql_texts, TOKEN_SQL_COUNT },
	{ login_sql_texts, LOGIN_SQL_COUNT },
	{ oidc_sql_texts, OIDC_SQL_COUNT },
	{ rate_sql_texts, RATE_SQL_COUNT },
	{ aomi_sql_texts, AOMI_SQL_COUNT },
	{ approval_sql_texts, APPROVAL_SQL_COUNT },
	{ secret_sql_texts, SECRET_SQL_COUNT },
	{ upload_sql_texts, UPLOAD_SQL_COUNT },
	{ user_sql_texts, USER_SQL_COUNT },
	{ webhook_sql_texts, WEBHOOK_SQL_COUNT },
	{ schedule_sql_texts, SCHEDULE_SQL_COUNT },
	{ session_sql_texts, SESSION_SQL_COUNT },
	{ event_sql_texts, EVENT_SQL_COUNT },
	{ task_sql_texts, TASK_SQL_COUNT },
	{ command_sql_texts, COMMAND_SQL_COUNT },
	{ audit_sql_texts, AUDIT_SQL_COUNT },
	{ contract_sql_texts, CONTRACT_SQL_COUNT },
	{ cordon_sql_texts, CORDON_SQL_COUNT },
	{ cost_sql_texts, COST_SQL_COUNT },
	{ delivery_sql_texts, DELIVERY_SQL_COUNT },
	{ idempotency_sql_texts, IDEMPOTENCY_SQL_COUNT },
	/* clang-format on */
};

struct world {
	struct loop *loop;
	struct pg *pg;
	void (*body)(struct world *world, const struct text *text);
};

static void each_query(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++) {
		assert_true(nouns[i].count > 0);
		for (size_t k = 0; k < nouns[i].count; k++) {
			world->body(world, &nouns[i].texts[k]);
		}
	}
}

static void world_main(void *arg)
{
	struct world *world = arg;
	struct pg_options options = { getenv("TEST_PG_URL"), 1, 5000, 5000 };
	unsigned applied = 0;
	struct err err;

	world->pg = pg_new(world->loop, &options);
	if (pg_migrate(world->pg, &pg_schema, &applied, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	each_query(world);
	pg_free(world->pg);
}

static void run(void (*body)(struct world *world, const struct text *text))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

static void parse_it(struct world *world, const struct text *text)
{
	struct err err;

	if (pg_check(world->pg, text, &err) != ERR_OK) {
		fail_msg("%s.sql: %s", text->name, err.msg);
	}
}

static bool planned_each_time(const struct text *text)
{
	return strncmp(text->text, "-- planned: each time, for its parameters\n", 42) == 0;
}

static void read_head(struct world *world, const struct text *text)
{
	struct str rest = { text->text, text->len };

	(void)world;
	if (planned_each_time(text)) {
		(void)str_split(&rest, '\n');
	}
	if (!str_starts(str_split(&rest, '\n'), STR_LIT("-- params:")) ||
	    !str_starts(str_split(&rest, '\n'), STR_LIT("-- returns:"))) {
		fail_msg("%s.sql: the first lines are not -- params: and -- returns:", text->name);
	}
}

static void read_params(struct world *world, const struct text *text)
{
	(void)world;
	for (const char *p = text->text; *p != '\0'; p++) {
		if (p[0] != '$' || isdigit((unsigned char)p[1]) == 0) {
			continue;
		}
		do {
			p++;
		} while (isdigit((unsigned char)*p) != 0);
		if (p[0] != ':' || p[1] != ':') {
			fail_msg("%s.sql: a parameter has no cast", text->name);
		}
	}
}

/* ---- plans ---- */

enum { PLANNED_MAX = 32 * 1024, NAME_SIZE = 96 };

/* As a text of its own name: the driver prepares a name once. */
static struct pg_rows *run_text(struct world *world, const char *what, const struct text *text,
                                const char *statement)
{
	char name[NAME_SIZE];
	const struct pg_params none = { 0 };
	struct text own = { name, text->sha1, statement, strlen(statement) };
	struct pg_rows *rows = NULL;
	struct err err;

	(void)snprintf(name, sizeof(name), "%s_%s", what, text->name);
	if (pg_query(world->pg, "", &own, &none, &rows, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
	return rows;
}

static unsigned params_in(const struct text *text)
{
	unsigned count = 0;

	for (const char *p = strchr(text->text, '$'); p != NULL; p = strchr(p + 1, '$')) {
		unsigned n = (unsigned)strtoul(p + 1, NULL, 10);

		count = n > count ? n : count;
	}
	return count;
}

static bool is_planned(const struct text *text)
{
	static const char *const verbs[] = { "SELECT", "INSERT", "UPDATE", "DELETE" };
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		any = any || strstr(text->text, verbs[i]) != NULL;
	}
	return any;
}

/* The plan that is made once for all parameters. */
static struct pg_rows *plan_of(struct world *world, const struct text *text)
{
	struct pg_rows *rows;
	struct buf statement;

	buf_init(&statement, PLANNED_MAX);
	buf_addf(&statement, "PREPARE p_%s AS %s", text->name, text->text);
	pg_rows_free(run_text(world, "prepare", text, buf_cstr(&statement)));
	buf_reset(&statement);
	buf_addf(&statement, "EXPLAIN EXECUTE p_%s", text->name);
	for (unsigned i = 0; i < params_in(text); i++) {
		buf_add_str(&statement, i == 0 ? STR_LIT("(NULL") : STR_LIT(", NULL"));
	}
	if (params_in(text) > 0) {
		buf_add_char(&statement, ')');
	}
	rows = run_text(world, "explain", text, buf_cstr(&statement));
	buf_fini(&statement);
	return rows;
}

/* A plan may read all of these, in whatever order: an installation has few rows in them. */
static bool is_small(struct str table)
{
	static const char *const names[] = {
		"tenants",      "issuers",           "nodes",          "prices",
		"queue_layout", "schema_migrations", "schema_version", "setup",
		"signing_keys", "webhook_endpoints", "worker_cordons", "pg_class"
	};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		any = any || str_eq(table, str_of(names[i]));
	}
	return any;
}

/* And these by tenant alone: a tenant has few. */
static bool is_small_by_tenant(struct str table)
{
	static const char *const names[] = { "api_keys", "approval_rules", "audit_heads",
		                             "budgets",  "memberships",    "namespaces",
		                             "projects", "secrets",        "webhook_task_secrets",
		                             "webhooks" };
	bool any = is_small(table);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		any = any || str_eq(table, str_of(names[i]));
	}
	return any;
}

/* What may read an index from its beginning or all of a tenant all the same, and why. */
static const struct walk {
	const char *query, *index;
} walks[] = {
	/* an index of what waits, the first of it, or up to a limit */
	{ "delivery_waiting", "deliveries_waiting" },
	{ "schedule_due", "schedules_due" },
	{ "session_waiting", "sessions_waiting" },
	{ "session_waits", "sessions_waiting" },
	{ "session_waits", "approvals_due" },
	{ "webhook_claim", "webhook_messages_lane" },
	/* an index of what is seldom */
	{ "chat_prune", "chats_of_guests" },
	{ "namespace_list_open", "namespaces_open" },
	/* all of a table is what is asked for, seldom or by hand */
	{ "audit_chains", "audit_heads_pkey" },
	{ "audit_chains", "audit_list" },
	{ "upload_sweep", "upload_contents_pkey" },
	{ "device_code_create", "device_codes_over" }, /* how many there are; that is limited */
	{ "setup_done", "users" },                     /* the first start */
	{ "setup_look", "users" },
	{ "setup_make", "users" },
	/* all of a tenant is */
	{ "audit_last", "audit_list" }, /* the last one */
	{ "chat_delete_all", "chats_list" },
	{ "chat_living", "chats_list" },
	{ "upload_reserve", "upload_contents_tenant_id_sha256_key" },
	{ "upload_reserve", "uploads_content" },
	{ "retention_due", "log_segments_age" },
	{ "retention_sessions", "sessions_ended" },
};

static bool may_walk(const struct text *text, struct str index)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
		any = any || (strcmp(text->name, walks[i].query) == 0 &&
		              str_eq(index, str_of(walks[i].index)));
	}
	return any;
}

/* The word behind `before` in a line of a plan; empty when it is not there. */
static struct str word_behind(const char *line, const char *before)
{
	const char *at = strstr(line, before);

	if (at == NULL) {
		return STR_LIT("");
	}
	at += strlen(before);
	return str_make(at, strcspn(at, " "));
}

/* The lines that a plan has for reading one table: what is read, and below it how. */
static void look_at_scan(const struct text *text, const char *line, const char *below)
{
	const struct str index = word_behind(line, " using "), table = word_behind(line, " on ");
	const char *how = strstr(below, "Index Cond: (");

	if (strstr(line, "Seq Scan on") != NULL && !is_small(table) && !may_walk(text, table)) {
		fail_msg("%s.sql reads all of a table:%s", text->name, line);
	}
	if (index.n == 0 || may_walk(text, index)) {
		return;
	}
	if (how == NULL && !is_small(table)) {
		fail_msg("%s.sql reads all of an index:%s", text->name, line);
	}
	if (how != NULL && strstr(how, "(tenant_id = ") != NULL && strstr(how, " AND ") == NULL &&
	    !is_small_by_tenant(table)) {
		fail_msg("%s.sql reads all of a tenant:%s", text->name, line);
	}
}

/* What knows an id goes by it, not by an index of all that a tenant has. */
static void look_at_index(const struct text *text, const char *line)
{
	static const char *const by_tenant[] = { "sessions_by_state", "sessions_list", "tasks_list",
		                                 "log_segments_age" };

	for (size_t i = 0; i < ARRAY_LEN(by_tenant); i++) {
		if (strstr(line, by_tenant[i]) != NULL && !may_walk(text, str_of(by_tenant[i]))) {
			fail_msg("%s.sql:%s", text->name, line);
		}
	}
}

static void look_at_plan(struct world *world, const struct text *text)
{
	static const char *const wrong[] = { "Bitmap Heap Scan", "Hash Join", "Merge Join" };
	struct pg_rows *rows;

	if (!is_planned(text) || planned_each_time(text)) {
		return;
	}
	rows = plan_of(world, text);
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		const char *line = pg_str(rows, i, 0).p;

		for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
			if (strstr(line, wrong[k]) != NULL) {
				fail_msg("%s.sql:%s", text->name, line);
			}
		}
		look_at_index(text, line);
		look_at_scan(text, line,
		             i + 1 < pg_rows_count(rows) ? pg_str(rows, i + 1, 0).p : "");
	}
	pg_rows_free(rows);
}

/* A plan is kept: one that reads whatever there is would still do so when there is much. */
static void every_plan_made_of_empty_tables_is_good_for_large_ones(void **state)
{
	(void)state;
	run(look_at_plan);
}

static void every_query_fits_the_schema(void **state)
{
	(void)state;
	run(parse_it);
}

static void every_query_says_what_it_takes_and_returns(void **state)
{
	(void)state;
	run(read_head);
}

static void every_parameter_has_a_cast(void **state)
{
	(void)state;
	run(read_params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_query_fits_the_schema),
		cmocka_unit_test(every_query_says_what_it_takes_and_returns),
		cmocka_unit_test(every_parameter_has_a_cast),
		cmocka_unit_test(every_plan_made_of_empty_tables_is_good_for_large_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
