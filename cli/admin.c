/* `fairlead admin ...`: for whoever can reach the database, also when no API runs. */
#include "cli/admin.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "auth/auth.h"

enum { OUT_MAX = 16 * 1024 * 1024, LISTED = 100 };

/* What a call runs beside. */
struct host {
	struct local *local;
	struct arena *arena;
	struct pg_tx *tx; /* what the verb asks of the database goes through it; NULL: it is over */
};

static enum err_code begin(struct host *host, struct err *err)
{
	enum err_code code = pg_begin(host->local->pg, "", &host->tx, err);

	if (code == ERR_OK) {
		pg_join(host->local->pg, host->tx);
	}
	return code;
}

static int run_beside(struct local *local)
{
	struct call *call = local->arg;
	struct host host = { .local = local, .arena = arena_new() };
	int status = EXIT_FAILED;
	struct err err;

	call->host = &host;
	if (begin(&host, &err) == ERR_OK) {
		status = call->verb->run(call);
		pg_rollback(host.tx);
	} else {
		status = admin_fail(&err);
	}
	arena_free(host.arena);
	return status;
}

int admin_around(struct call *call)
{
	return local_run(run_beside, call);
}

struct local *admin_local(const struct call *call)
{
	const struct host *host = call->host;

	return host->local;
}

struct arena *admin_arena(const struct call *call)
{
	const struct host *host = call->host;

	return host->arena;
}

const char *admin_tenant_of(const struct call *call)
{
	const char *tenant = call_text(call, OPTION_TENANT);

	return tenant != NULL ? tenant : TENANT_DEFAULT;
}

const char *admin_actor(void)
{
	static char actor[ADMIN_ACTOR_SIZE];
	const struct passwd *user = getpwuid(getuid());

	if (user != NULL) {
		(void)snprintf(actor, sizeof(actor), "host:%s", user->pw_name);
	} else {
		(void)snprintf(actor, sizeof(actor), "host:%u", (unsigned)getuid());
	}
	return actor;
}

enum err_code admin_settle(struct call *call, const char *kind, const char *id, struct err *err)
{
	struct host *host = call->host;
	const char *group = call->group->name != NULL ? call->group->name : "";
	bool of_tenant = strcmp(group, "tenant") != 0 && strcmp(group, "limit") != 0 &&
	                 strcmp(group, "price") != 0;
	const struct audit_entry entry = {
		.chain = of_tenant ? admin_tenant_of(call) : AUDIT_SYSTEM,
		.who = { .kind = STR_LIT("host"),
		         .id = str_of(admin_actor()),
		         .name = STR_LIT(""),
		         .address = STR_LIT(""),
		         .agent = STR_LIT("fairlead admin"),
		         .request = STR_LIT("") },
		.action = str_of(arena_printf(host->arena, "%s%s%s", group,
		                              group[0] != '\0' ? "." : "", call->verb->name)),
		.object = str_of(arena_printf(host->arena, "%s:%s", kind, id)),
	};
	struct cred_pepper secret, key;
	struct pg_tx *tx = host->tx;
	enum err_code code = admin_pepper(call, &secret, err);

	if (code == ERR_OK) {
		key = audit_key(&secret);
		code = audit_append(tx, &key, &entry, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	host->tx = NULL;
	code = pg_commit(tx, err);
	return code == ERR_OK ? begin(host, err) : code;
}

int admin_fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

int admin_wrong(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fputs("fairlead: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return EXIT_USAGE;
}

enum err_code admin_pepper(const struct call *call, struct cred_pepper *ret, struct err *err)
{
	const struct local *local = admin_local(call);

	if (local->pepper[0] == '\0') {
		return err_set(err, ERR_NOT_FOUND, "there is no pepper; set FAIRLEAD_PEPPER_FILE");
	}
	*ret = cred_pepper_from(str_of(local->pepper));
	return ERR_OK;
}

/* ---- answers ---- */

void admin_begin(struct admin_answer *answer)
{
	buf_init(&answer->out, OUT_MAX);
	jsonw_init(&answer->w, &answer->out);
}

void admin_begin_items(struct admin_answer *answer)
{
	admin_begin(answer);
	jsonw_object(&answer->w, NULL);
	jsonw_array(&answer->w, "items");
}

int admin_end(struct call *call, struct admin_answer *answer, const struct column *columns,
              size_t count)
{
	int status = EXIT_DONE;

	if (buf_failed(&answer->out)) {
		(void)fprintf(stderr, "fairlead: that is too much at once; say --limit\n");
		status = EXIT_FAILED;
	} else if (call_has(call, OPTION_JSON)) {
		(void)printf("%s\n", buf_cstr(&answer->out));
	} else {
		table_print(buf_str(&answer->out), columns, count);
	}
	buf_fini(&answer->out);
	return status;
}

int admin_end_items(struct call *call, struct admin_answer *answer, const struct column *columns,
                    size_t count)
{
	jsonw_end_array(&answer->w);
	jsonw_end_object(&answer->w);
	return admin_end(call, answer, columns, count);
}

int admin_done(struct call *call, const char *member, const char *id, const char *what)
{
	struct admin_answer answer;

	admin_begin(&answer);
	jsonw_object(&answer.w, NULL);
	jsonw_cstr(&answer.w, member, id);
	jsonw_bool(&answer.w, what, true);
	jsonw_end_object(&answer.w);
	if (!call_has(call, OPTION_JSON)) {
		buf_fini(&answer.out);
		(void)printf("%s\n", what);
		return EXIT_DONE;
	}
	return admin_end(call, &answer, NULL, 0);
}

/* ---- words ---- */

bool admin_take_id(const struct call *call, const char *what, struct id *ret)
{
	if (id_parse(str_of(call->words[0]), ret)) {
		return true;
	}
	(void)admin_wrong("\"%s\" is not %s; see: fairlead admin %s list", call->words[0], what,
	                  call->group->name);
	return false;
}

bool admin_take_namespaces(const struct call *call, const char **ret)
{
	const struct said *said = &call->said[OPTION_NAMESPACES];
	char *made = arena_take(admin_arena(call), AUTH_NAMESPACES_MAX + 1);
	struct buf list;
	bool ok = true;

	*ret = NULL;
	if (said->count == 0) {
		return true;
	}
	buf_init(&list, 4 * (size_t)AUTH_NAMESPACES_MAX);
	for (size_t i = 0; i < said->count; i++) {
		struct str rest = str_of(said->values[i]);

		while (rest.n > 0) {
			struct str name = str_trim(str_split(&rest, ','));

			buf_addf(&list, "%s%" STR_FMT, list.len > 0 && name.n > 0 ? "," : "",
			         STR_ARG(name));
		}
	}
	if (list.len == 0) {
		(void)admin_wrong("no namespaces provided");
		ok = false;
	} else if (buf_failed(&list) || !auth_namespaces_parse(buf_str(&list), made)) {
		(void)admin_wrong("--namespaces must be letters, digits, dots, dashes and "
		                  "underscores each, %d bytes together",
		                  AUTH_NAMESPACES_MAX);
		ok = false;
	}
	buf_fini(&list);
	*ret = made;
	return ok;
}

void admin_window(const struct call *call, size_t count, size_t *ret_from, size_t *ret_to)
{
	uint64_t from = call->said[OPTION_OFFSET].number, most = call->said[OPTION_LIMIT].number;

	most = most > 0 ? most : LISTED;
	*ret_from = from < count ? (size_t)from : count;
	*ret_to = count - *ret_from > most ? *ret_from + (size_t)most : count;
}
