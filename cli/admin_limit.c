#include "cli/admin_limit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/local.h"
#include "json/write.h"
#include "limit/limit_store.h"

enum { PAGE = 64, OUT_MAX = 4 * 1024 * 1024 };

struct limit_options {
	struct limit limit;
	bool json;
};

static const char limit_usage[] =
	"usage: fairlead admin limit set KIND NUMBER|none [--tenant TENANT] [--name NAME]\n"
	"       fairlead admin limit list [--json]\n"
	"\n"
	"KIND is tenant, user, project, agent or key, and NUMBER how many sessions of it may\n"
	"run at a time. With --tenant it is said of that tenant, with --name of one of its users\n"
	"(the owner of keys, or the id of a key without one), projects, types of agents or keys\n"
	"of concurrency; without both, of all that have none of their own. It takes effect\n"
	"within a second.\n";

static int usage(FILE *to, int status)
{
	(void)fputs(limit_usage, to);
	return status;
}

static int run_set(struct local *local)
{
	const struct limit_options *o = local->arg;
	struct err err;

	if (limit_set(local->pg, &o->limit, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	(void)printf("%s %s %s: ", limit_kind_name(o->limit.kind),
	             o->limit.tenant[0] != '\0' ? o->limit.tenant : "*", o->limit.name);
	if (o->limit.none) {
		(void)printf("none\n");
	} else {
		(void)printf("%" PRIu64 "\n", o->limit.value);
	}
	return EXIT_DONE;
}

static void print_one(const struct limit *limit, struct jsonw *w)
{
	if (w == NULL) {
		(void)printf("%-8s %-26s %-40s %" PRIu64 "\n", limit_kind_name(limit->kind),
		             limit->tenant[0] != '\0' ? limit->tenant : "*",
		             limit->name[0] != '\0' ? limit->name : "-", limit->value);
		return;
	}
	jsonw_object(w, NULL);
	jsonw_cstr(w, "kind", limit_kind_name(limit->kind));
	if (limit->tenant[0] != '\0') {
		jsonw_cstr(w, "tenant", limit->tenant);
	}
	if (limit->name[0] != '\0') {
		jsonw_cstr(w, "name", limit->name);
	}
	jsonw_u64(w, "value", limit->value);
	jsonw_end_object(w);
}

static enum err_code print_all(struct local *local, struct jsonw *w, struct err *err)
{
	struct limit *items = mem_calloc(PAGE, sizeof(*items));
	size_t count = PAGE;
	uint64_t after = 0;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && count == PAGE) {
		code = limit_list(local->pg, after, items, PAGE, &count, err);
		for (size_t i = 0; code == ERR_OK && i < count; i++) {
			after = items[i].version;
			if (!items[i].none) {
				print_one(&items[i], w);
			}
		}
	}
	free(items);
	return code;
}

static int run_list(struct local *local)
{
	const struct limit_options *o = local->arg;
	enum err_code code;
	struct err err;
	struct jsonw w;
	struct buf out;

	buf_init(&out, OUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	if (!o->json) {
		(void)printf("%-8s %-26s %-40s %s\n", "KIND", "TENANT", "NAME", "VALUE");
	}
	code = print_all(local, o->json ? &w : NULL, &err);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	if (code != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
	} else if (o->json) {
		(void)printf("%s\n", buf_cstr(&out));
	}
	buf_fini(&out);
	return code == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

static bool parse_value(const char *word, struct limit *limit)
{
	limit->none = strcmp(word, "none") == 0;
	return limit->none || parse_u64(str_of(word), LIMIT_VALUE_MAX, &limit->value);
}

static bool parse_options(int argc, char **argv, struct limit_options *o)
{
	static const struct option options[] = { { "tenant", required_argument, NULL, 't' },
		                                 { "name", required_argument, NULL, 'n' },
		                                 { "json", no_argument, NULL, 'j' },
		                                 { NULL, 0, NULL, 0 } };
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j') {
			o->json = true;
		} else if (c != 't' && c != 'n') {
			return false;
		} else if (!str_copy(c == 't' ? o->limit.tenant : o->limit.name,
		                     c == 't' ? sizeof(o->limit.tenant) : sizeof(o->limit.name),
		                     str_of(optarg))) {
			(void)fprintf(stderr, "fairlead: the name is too long\n");
			return false;
		}
	}
	return true;
}

int admin_limit(int argc, char **argv)
{
	struct limit_options o = { .json = false };

	if (argc > 2 && strcmp(argv[argc - 1], "--help") == 0) {
		return usage(stdout, EXIT_DONE);
	}
	if (argc < 3 || !parse_options(argc - 2, argv + 2, &o)) {
		return usage(stderr, EXIT_USAGE);
	}
	argc -= 2 + optind;
	argv += 2 + optind;
	if (strcmp(argv[-optind], "list") == 0 && argc == 0) {
		return local_run(run_list, &o);
	}
	if (strcmp(argv[-optind], "set") != 0 || argc != 2 || o.json ||
	    !limit_kind_parse(str_of(argv[0]), &o.limit.kind) || o.limit.kind == QUEUE_WEIGHT ||
	    !parse_value(argv[1], &o.limit)) {
		return usage(stderr, EXIT_USAGE);
	}
	return local_run(run_set, &o);
}

int admin_weight(const char *tenant, const char *weight)
{
	struct limit_options o = { .limit = { .kind = QUEUE_WEIGHT } };

	if (!str_copy(o.limit.tenant, sizeof(o.limit.tenant), str_of(tenant)) ||
	    !parse_value(weight, &o.limit) || (!o.limit.none && o.limit.value == 0)) {
		(void)fprintf(stderr, "fairlead: a weight must be 1 to %d, or \"none\"\n",
		              LIMIT_VALUE_MAX);
		return EXIT_USAGE;
	}
	return local_run(run_set, &o);
}
