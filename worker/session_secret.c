/*
 * The secrets that a session's agent is given: opened from its order, put into the agent's
 * environment or into files of its home, and taken out of all that the session says.
 */
#include "worker/session_secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cred/digest.h"
#include "json/value.h"
#include "secret/secret.h"
#include "worker/agent_files.h"
#include "worker/redact.h"

enum { PLAIN_MAX = 4 * SECRET_OF_SESSION_BYTES, PAIRS_MAX = 2 * SECRET_OF_SESSION_MAX };

struct session_secrets {
	struct redact *redact;
	struct json_value *plain; /* of which the values are views */
	struct redact_value values[PAIRS_MAX];
	size_t count;
};

static struct str *find(struct session_secrets *secrets, struct str name)
{
	for (size_t i = 0; i < secrets->count; i++) {
		if (str_eq(secrets->values[i].name, name)) {
			return &secrets->values[i].value;
		}
	}
	return NULL;
}

/* What the order has, for this session and no other. */
static bool read_plain(struct session_run *s, struct str json)
{
	struct session_secrets *secrets = s->secrets;
	const struct json_value *items;
	struct err err;

	secrets->plain = json_parse(json, &err);
	if (!str_eq(json_as_str(json_get(secrets->plain, "session")), str_of(s->sid.s))) {
		return false;
	}
	items = json_get(secrets->plain, "secrets");
	for (size_t i = 0; i < json_count(items) && i < PAIRS_MAX; i++) {
		const struct json_value *item = json_at(items, i);

		secrets->values[secrets->count++] =
			(struct redact_value){ json_as_str(json_get(item, "name")),
			                       json_as_str(json_get(item, "value")) };
	}
	return true;
}

static bool open_order(struct session_run *s)
{
	struct str sealed = s->order.secrets;
	struct buf plain;
	bool ok;

	if (str_starts(sealed, STR_LIT(TASK_SECRETS_NONE))) {
		session_fail(s, "%.*s", (int)sealed.n - 1, sealed.p + 1);
		return false;
	}
	buf_init(&plain, PLAIN_MAX);
	ok = cred_box_open(&s->host->box, sealed, &plain) && read_plain(s, buf_str(&plain));
	if (plain.data != NULL) {
		cred_wipe(plain.data, plain.size);
	}
	buf_fini(&plain);
	if (!ok) {
		session_fail(s, "its secrets were sealed to another worker");
	}
	return ok;
}

/* Those that its task names have to be there. */
static bool has_all(struct session_run *s)
{
	const struct task_secret *wanted = s->agent->command.secrets.items;

	for (size_t i = 0; i < s->agent->command.secrets.count; i++) {
		if (find(s->secrets, wanted[i].name) == NULL) {
			session_fail(s, "there is no secret %" STR_FMT, STR_ARG(wanted[i].name));
			return false;
		}
	}
	return true;
}

bool session_secrets_open(struct session_run *s)
{
	if (s->order.secrets.n == 0 && s->agent->command.secrets.count == 0) {
		return true;
	}
	s->secrets = mem_calloc(1, sizeof(*s->secrets));
	if ((s->order.secrets.n > 0 && !open_order(s)) || !has_all(s)) {
		return false;
	}
	s->secrets->redact = redact_new(s->secrets->values, s->secrets->count);
	s->redact = s->secrets->redact;
	return true;
}

void session_secrets_free(struct session_run *s)
{
	if (s->secrets != NULL) {
		s->redact = s->host->redact;
		redact_free(s->secrets->redact);
		json_value_free(s->secrets->plain);
		free(s->secrets);
		s->secrets = NULL;
	}
}

static bool is_named(const struct session_run *s, struct str name)
{
	const struct task_secret *wanted = s->agent->command.secrets.items;

	for (size_t i = 0; i < s->agent->command.secrets.count; i++) {
		if (str_eq(wanted[i].name, name)) {
			return true;
		}
	}
	return false;
}

/* Where the file is: NAME_FILE. */
static struct adapter_pair file_pair(const struct session_run *s, const struct task_secret *secret)
{
	return (struct adapter_pair){
		str_of(arena_printf(s->arena, "%" STR_FMT "_FILE", STR_ARG(secret->name))),
		str_of(arena_printf(s->arena, "%s/%" STR_FMT, session_home_path(s),
		                    STR_ARG(secret->file))),
	};
}

size_t session_secrets_env(const struct session_run *s, const struct adapter_pair **ret)
{
	const struct task_secret *wanted = s->agent->command.secrets.items;
	size_t named = s->agent->command.secrets.count, count = 0;
	struct adapter_pair *pairs;

	*ret = NULL;
	if (s->secrets == NULL) {
		return 0;
	}
	pairs = arena_take(s->arena, (named + s->secrets->count + 1) * sizeof(*pairs));
	*ret = pairs;
	for (size_t i = 0; i < named; i++) {
		pairs[count++] =
			wanted[i].file.n > 0
				? file_pair(s, &wanted[i])
				: (struct adapter_pair){ wanted[i].as.n > 0 ? wanted[i].as
			                                                    : wanted[i].name,
			                                 *find(s->secrets, wanted[i].name) };
	}
	for (size_t i = 0; i < s->secrets->count; i++) {
		if (!is_named(s, s->secrets->values[i].name)) {
			pairs[count++] = (struct adapter_pair){ s->secrets->values[i].name,
				                                s->secrets->values[i].value };
		}
	}
	return count;
}

enum err_code session_secrets_write(struct session_run *s, const char *home, struct err *err)
{
	const struct task_secret *wanted = s->agent->command.secrets.items;
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < s->agent->command.secrets.count; i++) {
		struct adapter_file file;

		if (wanted[i].file.n > 0) {
			file = (struct adapter_file){ arena_strdup(s->arena, wanted[i].file),
				                      *find(s->secrets, wanted[i].name) };
			code = agent_files_write(home, &s->host->user, &file, 1, err);
		}
	}
	return code;
}

bool session_secrets_in_home(const struct session_run *s)
{
	const struct task_secret *wanted = s->agent->command.secrets.items;

	for (size_t i = 0; i < s->agent->command.secrets.count; i++) {
		if (wanted[i].file.n > 0) {
			return true;
		}
	}
	return false;
}
