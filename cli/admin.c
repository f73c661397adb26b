/* `fairlead admin key ...`: keys are made and revoked by whoever can reach the database. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/auth_key_store.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/admin_limit.h"
#include "cli/admin_setup.h"
#include "cli/admin_tenant.h"
#include "cli/command.h"
#include "cli/local.h"
#include "json/write.h"
#include "tenant/tenant_store.h"

enum { ADMIN_OUT_MAX = 4 * 1024 * 1024 };

struct admin_options {
	const char *tenant, *name, *owner, *scopes, *namespaces, *id;
	uint64_t days, minutes;
	bool has_scopes, json;
};

static const char admin_usage[] =
	"usage: fairlead admin key create [--name NAME] [--scope A,B...] [--namespaces A,B...]\n"
	"                                 [--owner WHO] [--days N | --minutes N] [--tenant T]\n"
	"                                 [--json]\n"
	"       fairlead admin key list [--tenant T] [--json]\n"
	"       fairlead admin key revoke ID [--tenant T] [--json]\n"
	"       fairlead admin key limit ID --scope A,B... [--tenant T] [--json]\n"
	"       fairlead admin key ensure-admin\n"
	"       fairlead admin tenant list [--json]\n"
	"       fairlead admin tenant retention TENANT DAYS|forever|default\n"
	"       fairlead admin tenant weight TENANT NUMBER|none\n"
	"       fairlead admin tenant rate TENANT tenant|user|key LIMITS|default\n"
	"       fairlead admin limit set KIND NUMBER|none [--tenant T] [--name NAME]\n"
	"       fairlead admin limit list [--json]\n"
	"       fairlead admin setup-pin [--json]\n"
	"       fairlead admin password-code EMAIL [--tenant T] [--json]\n"
	"\n"
	"Talks to the database at FAIRLEAD_PG_URL with FAIRLEAD_PEPPER[_FILE]; without them to "
	"the\n"
	"system that `fairlead up` runs here. create prints the key: it is shown once.\n"
	"Streams that use a revoked key end within a second; limit gives a key other scopes, for "
	"open\n"
	"streams too. Keys of one owner are one user: a stream may go on with another of them.\n"
	"ensure-admin keeps a key with the scopes admin and system in this machine's home and\n"
	"prints its file.\n"
	"Scopes:\n";

static int usage(FILE *to, int status)
{
	(void)fputs(admin_usage, to);
	for (unsigned scope = 0; scope < AUTH_SCOPE_COUNT; scope++) {
		(void)fprintf(to, "  %-14s %s\n", auth_scope_name(scope), auth_scope_help(scope));
	}
	return status;
}

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

static enum err_code create(struct local *local, const struct admin_options *o,
                            char text[CRED_KEY_MAX + 1], struct id *ret_id, struct err *err)
{
	struct auth_key_new key = {
		.tenant = o->tenant, .name = o->name, .owner = o->owner, .namespaces = o->namespaces
	};
	struct cred_pepper pepper;
	enum err_code code;

	if (!auth_scopes_parse(str_of(o->scopes), &key.scopes)) {
		return err_set(err, ERR_INVALID, "--scope must be a comma list of known scopes");
	}
	if (o->days > 0 || o->minutes > 0) {
		key.expires_us =
			clock_wall_us() + (int64_t)(o->days * 86400 + o->minutes * 60) * 1000000;
	}
	if (local->pepper[0] == '\0') {
		return err_set(err, ERR_NOT_FOUND, "there is no pepper; set FAIRLEAD_PEPPER_FILE");
	}
	pepper = cred_pepper_from(str_of(local->pepper));
	if ((code = tenant_ensure(local->pg, o->tenant, err)) != ERR_OK) {
		return code;
	}
	return auth_key_create(local->pg, &key, &pepper, text, ret_id, err);
}

static int run_create(struct local *local)
{
	const struct admin_options *o = local->arg;
	char text[CRED_KEY_MAX + 1];
	struct id id;
	struct err err;

	if (create(local, o, text, &id, &err) != ERR_OK) {
		return fail(&err);
	}
	if (o->json) {
		(void)printf("{\"id\":\"%s\",\"key\":\"%s\"}\n", id.s, text);
	} else {
		(void)printf("%s\n", text);
	}
	return EXIT_DONE;
}

static void write_key(struct jsonw *w, const struct auth_key *key)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", key->id.s);
	jsonw_str(w, "name", key->name);
	if (key->owner.n > 0) {
		jsonw_str(w, "owner", key->owner);
	}
	jsonw_str(w, "scopes", key->scopes);
	if (!key->any_namespace) {
		jsonw_str(w, "namespaces", key->namespaces);
	}
	jsonw_time(w, "createdAt", key->created_us);
	if (key->expires_us != 0) {
		jsonw_time(w, "expiresAt", key->expires_us);
	}
	if (key->revoked_us != 0) {
		jsonw_time(w, "revokedAt", key->revoked_us);
	}
	if (key->last_used_us != 0) {
		jsonw_time(w, "lastUsedAt", key->last_used_us);
	}
	jsonw_end_object(w);
}

static void print_json(const struct auth_key_list *list)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, ADMIN_OUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < list->count; i++) {
		write_key(&w, &list->items[i]);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	(void)printf("%s\n", buf_cstr(&out));
	buf_fini(&out);
}

static void print_text(const struct auth_key_list *list)
{
	int64_t now_us = clock_wall_us();

	(void)printf("%-26s %-8s %-20s %-32s %s\n", "KEY", "STATE", "CREATED", "SCOPES", "NAME");
	for (size_t i = 0; i < list->count; i++) {
		const struct auth_key *key = &list->items[i];
		char created[CLOCK_RFC3339_SIZE];

		clock_format(key->created_us, created);
		(void)printf("%-26s %-8s %-20.19s %-32.*s %" STR_FMT "\n", key->id.s,
		             auth_key_status(key, now_us), created, (int)key->scopes.n,
		             key->scopes.p, STR_ARG(key->name));
	}
}

static int run_list(struct local *local)
{
	const struct admin_options *o = local->arg;
	struct arena *arena = arena_new();
	const struct auth_key_filter filter = { .tenant = o->tenant, .max = AUTH_KEYS_LISTED_MAX };
	struct auth_key_list list;
	struct err err;
	int status = EXIT_DONE;

	if (auth_key_list(local->pg, &filter, arena, &list, &err) != ERR_OK) {
		status = fail(&err);
	} else if (o->json) {
		print_json(&list);
	} else {
		print_text(&list);
	}
	arena_free(arena);
	return status;
}

/* False: a sentence was printed. */
static bool take_id(const struct admin_options *o, struct id *ret)
{
	if (id_parse(str_of(o->id), ret)) {
		return true;
	}
	(void)fprintf(stderr, "fairlead: \"%s\" is not a key id; see: fairlead admin key list\n",
	              o->id);
	return false;
}

static int run_revoke(struct local *local)
{
	const struct admin_options *o = local->arg;
	bool revoked = false;
	struct err err;
	struct id id;

	if (!take_id(o, &id)) {
		return EXIT_USAGE;
	}
	if (auth_key_revoke(local->pg, o->tenant, &id, &revoked, &err) != ERR_OK) {
		return fail(&err);
	}
	if (revoked) {
		local_ring(local, &id);
	}
	if (o->json) {
		(void)printf("{\"id\":\"%s\",\"revoked\":%s}\n", id.s, revoked ? "true" : "false");
	} else {
		(void)printf("%s\n", revoked ? "revoked"
		                             : "there is no such key, or it was revoked before");
	}
	return revoked ? EXIT_DONE : EXIT_FAILED;
}

static int run_limit(struct local *local)
{
	const struct admin_options *o = local->arg;
	bool changed = false;
	unsigned scopes;
	struct err err;
	struct id id;

	if (!take_id(o, &id)) {
		return EXIT_USAGE;
	}
	if (!o->has_scopes || !auth_scopes_parse(str_of(o->scopes), &scopes)) {
		(void)fprintf(stderr,
		              "fairlead: --scope must be given: a comma list of known scopes\n");
		return EXIT_USAGE;
	}
	if (auth_key_limit(local->pg, o->tenant, &id, scopes, &changed, &err) != ERR_OK) {
		return fail(&err);
	}
	if (changed) {
		local_ring(local, &id);
	}
	if (o->json) {
		(void)printf("{\"id\":\"%s\",\"changed\":%s}\n", id.s, changed ? "true" : "false");
	} else {
		(void)printf("%s\n",
		             changed ? "changed" : "there is no such key, or it is revoked");
	}
	return changed ? EXIT_DONE : EXIT_FAILED;
}

static int run_ensure_admin(struct local *local)
{
	struct admin_options o = *(struct admin_options *)local->arg;
	char path[HOME_PATH_MAX], text[CRED_KEY_MAX + 1], line[CRED_KEY_MAX + 2];
	struct err err;
	struct id id;

	if (home_path(path, local->home.dir, "admin.key", &err) != ERR_OK) {
		return fail(&err);
	}
	if (access(path, F_OK) != 0) {
		o.scopes = "admin,system";
		o.name = "first admin key";
		if (create(local, &o, text, &id, &err) != ERR_OK) {
			return fail(&err);
		}
		(void)snprintf(line, sizeof(line), "%s\n", text);
		if (home_write(path, 0600, NULL, line, strlen(line), &err) != ERR_OK) {
			return fail(&err);
		}
	}
	(void)printf("%s\n", path);
	return EXIT_DONE;
}

static const struct {
	const char *verb;
	int words;
	int (*run)(struct local *local);
} verbs[] = {
	{ "create", 0, run_create },
	{ "list", 0, run_list },
	{ "revoke", 1, run_revoke },
	{ "limit", 1, run_limit },
	{ "ensure-admin", 0, run_ensure_admin },
};

static bool parse(int argc, char **argv, struct admin_options *o)
{
	static const struct option known[] = {
		{ "tenant", required_argument, NULL, 't' },
		{ "name", required_argument, NULL, 'n' },
		{ "scope", required_argument, NULL, 's' },
		{ "namespaces", required_argument, NULL, 'N' },
		{ "owner", required_argument, NULL, 'o' },
		{ "days", required_argument, NULL, 'd' },
		{ "minutes", required_argument, NULL, 'm' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 't': o->tenant = optarg; break;
		case 'n': o->name = optarg; break;
		case 'o': o->owner = optarg; break;
		case 's':
			o->scopes = optarg;
			o->has_scopes = true;
			break;
		case 'N': o->namespaces = optarg; break;
		case 'j': o->json = true; break;
		case 'h': exit(usage(stdout, EXIT_DONE));
		case 'd':
			if (!parse_u64(str_of(optarg), 36500, &o->days) || o->days == 0) {
				(void)fprintf(stderr, "fairlead: --days must be 1 to 36500\n");
				return false;
			}
			break;
		case 'm':
			if (!parse_u64(str_of(optarg), 1440, &o->minutes) || o->minutes == 0) {
				(void)fprintf(stderr, "fairlead: --minutes must be 1 to 1440\n");
				return false;
			}
			break;
		default: return false;
		}
	}
	return true;
}

int command_admin(int argc, char **argv)
{
	struct admin_options options = { .tenant = TENANT_DEFAULT,
		                         .name = "made by fairlead admin",
		                         .scopes = "session:read,session:write,task:write" };

	if (argc > 1 && strcmp(argv[1], "limit") == 0) {
		return admin_limit(argc, argv);
	}
	if (argc > 1 && strcmp(argv[1], "setup-pin") == 0) {
		return admin_setup_pin(argc, argv);
	}
	if (argc > 1 && strcmp(argv[1], "password-code") == 0) {
		return admin_password_code(argc, argv);
	}
	if (argc > 1 && strcmp(argv[1], "tenant") == 0) {
		return admin_tenant(argc, argv);
	}
	if (argc > 1 && strcmp(argv[argc - 1], "--help") == 0) {
		return usage(stdout, EXIT_DONE);
	}
	if (argc < 3 || strcmp(argv[1], "key") != 0) {
		return usage(stderr, EXIT_USAGE);
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[2], verbs[i].verb) != 0) {
			continue;
		}
		argv[2] = argv[0];
		if (!parse(argc - 2, argv + 2, &options)) {
			return EXIT_USAGE;
		}
		if (argc - 2 - optind != verbs[i].words) {
			return usage(stderr, EXIT_USAGE);
		}
		options.id = argv[2 + optind];
		return local_run(verbs[i].run, &options);
	}
	return usage(stderr, EXIT_USAGE);
}
