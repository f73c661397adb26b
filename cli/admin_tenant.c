#include "cli/admin_tenant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/admin_limit.h"
#include "cli/command.h"
#include "cli/local.h"
#include "json/write.h"
#include "rate/rate_store.h"
#include "tenant/tenant_store.h"

enum { OUT_MAX = 4 * 1024 * 1024, DAY_S = 86400, DAYS_MAX = 36500, TEXT_SIZE = 32 };

struct tenant_options {
	const char *id;
	uint64_t retention_s;
	enum rate_kind kind;
	const char *limits; /* NULL: as the setting says */
	bool json;
};

static const char tenant_usage[] =
	"usage: fairlead admin tenant list [--json]\n"
	"       fairlead admin tenant retention TENANT DAYS|forever|default\n"
	"       fairlead admin tenant weight TENANT NUMBER|none\n"
	"       fairlead admin tenant rate TENANT tenant|user|key LIMITS|default\n"
	"\n"
	"Logs are removed that many days after they were written, and an ended session with the\n"
	"last of its log; default is what the setting retention.default says.\n"
	"A tenant of weight 3 gets three turns for each one of a tenant of weight 1, which all "
	"have.\n"
	"LIMITS are written as in the settings rate.*: \"read=600/1m:1200 write=60/1m\"; they take "
	"the place of\nthe setting within two seconds.\n";

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

static void print_json(const struct tenant_list *list)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, OUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < list->count; i++) {
		const struct tenant *tenant = &list->items[i];

		jsonw_object(&w, NULL);
		jsonw_str(&w, "id", tenant->id);
		jsonw_str(&w, "name", tenant->name);
		if (tenant->retention_s != TENANT_RETENTION_DEFAULT) {
			jsonw_u64(&w, "retentionSeconds", tenant->retention_s);
		}
		jsonw_bool(&w, "disabled", tenant->disabled);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	(void)printf("%s\n", buf_cstr(&out));
	buf_fini(&out);
}

static void print_text(const struct tenant_list *list)
{
	(void)printf("%-26s %-12s %-8s %s\n", "TENANT", "RETENTION", "STATE", "NAME");
	for (size_t i = 0; i < list->count; i++) {
		const struct tenant *tenant = &list->items[i];
		char text[TEXT_SIZE];

		format_retention(tenant->retention_s, text);
		(void)printf("%-26s %-12s %-8s %" STR_FMT "\n", tenant->id.p, text,
		             tenant->disabled ? "disabled" : "usable", STR_ARG(tenant->name));
	}
}

static int run_list(struct local *local)
{
	const struct tenant_options *o = local->arg;
	struct arena *arena = arena_new();
	struct tenant_list list;
	struct err err;
	int status = EXIT_DONE;

	if (tenant_list(local->pg, arena, &list, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		status = EXIT_FAILED;
	} else if (o->json) {
		print_json(&list);
	} else {
		print_text(&list);
	}
	arena_free(arena);
	return status;
}

static int run_retention(struct local *local)
{
	const struct tenant_options *o = local->arg;
	char text[TEXT_SIZE];
	struct err err;

	if (tenant_set_retention(local->pg, o->id, o->retention_s, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	format_retention(o->retention_s, text);
	(void)printf("logs of %s are kept: %s\n", o->id, text);
	return EXIT_DONE;
}

static int run_rate(struct local *local)
{
	const struct tenant_options *o = local->arg;
	struct err err;

	if (rate_store_set(local->pg, o->id, o->kind, str_of(o->limits), &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	(void)printf("limits of %s for each %s: %s\n", o->id, rate_kind_name(o->kind),
	             o->limits != NULL ? o->limits : "default");
	return EXIT_DONE;
}

static int set_rate(char **argv)
{
	struct tenant_options options = { .id = argv[3] };

	for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
		options.kind = (enum rate_kind)i;
		if (i != RATE_ADDRESS && strcmp(argv[4], rate_kind_name(options.kind)) == 0) {
			options.limits = strcmp(argv[5], "default") == 0 ? NULL : argv[5];
			return local_run(run_rate, &options);
		}
	}
	(void)fputs("fairlead: limits are for tenant, user or key\n", stderr);
	return EXIT_USAGE;
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

int admin_tenant(int argc, char **argv)
{
	struct tenant_options options = { .id = NULL };

	if (argc >= 3 && strcmp(argv[2], "list") == 0 &&
	    (argc == 3 || (argc == 4 && strcmp(argv[3], "--json") == 0))) {
		options.json = argc == 4;
		return local_run(run_list, &options);
	}
	if (argc == 6 && strcmp(argv[2], "rate") == 0) {
		return set_rate(argv);
	}
	if (argc == 5 && strcmp(argv[2], "weight") == 0) {
		return admin_weight(argv[3], argv[4]);
	}
	if (argc != 5 || strcmp(argv[2], "retention") != 0) {
		(void)fputs(tenant_usage,
		            argc > 2 && strcmp(argv[argc - 1], "--help") == 0 ? stdout : stderr);
		return argc > 2 && strcmp(argv[argc - 1], "--help") == 0 ? EXIT_DONE : EXIT_USAGE;
	}
	options.id = argv[3];
	if (!parse_retention(argv[4], &options.retention_s)) {
		(void)fprintf(stderr,
		              "fairlead: retention must be 1 to %d days, \"forever\" or "
		              "\"default\"\n",
		              DAYS_MAX);
		return EXIT_USAGE;
	}
	return local_run(run_retention, &options);
}
