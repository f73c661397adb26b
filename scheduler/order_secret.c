#include "scheduler/order_secret.h"

#include <string.h>

#include "cred/box.h"
#include "json/value.h"
#include "json/write.h"
#include "scheduler/app.h"
#include "scheduler/order.h"
#include "secret/secret_store.h"
#include "task/task_json.h"

enum { NAMES_MAX = 4096 };

static const char *const *defaults_of(struct str type)
{
	unsigned at = 0;

	while (task_agent_types[at] != NULL && !str_eq(type, str_of(task_agent_types[at]))) {
		at++;
	}
	return task_default_secrets(task_agent_types[at] != NULL ? at : TASK_AGENT_COMMAND);
}

/* A JSON array; "" when there are none. */
static struct str names_of(struct str agent, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *value = json_parse(agent, &err);
	const struct json_value *named = json_get(json_get(value, "settings"), "secrets");
	const char *const *usual = defaults_of(json_as_str(json_get(value, "type")));
	struct buf out;
	struct jsonw w;
	struct str names;

	if (json_count(named) == 0 && usual[0] == NULL) {
		return STR_LIT("");
	}
	buf_init(&out, NAMES_MAX);
	jsonw_init(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(named); i++) {
		jsonw_str(&w, NULL, json_as_str(json_get(json_at(named, i), "name")));
	}
	for (; *usual != NULL; usual++) {
		jsonw_cstr(&w, NULL, *usual);
	}
	jsonw_end_array(&w);
	names = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return names;
}

static void wipe(struct buf *buf)
{
	if (buf->data != NULL) {
		cred_wipe(buf->data, buf->size);
	}
	buf_fini(buf);
}

static void write_plain(const struct session *session, const struct secret_values *values,
                        struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "session", session->id.s);
	jsonw_array(&w, "secrets");
	for (size_t i = 0; i < values->count; i++) {
		jsonw_object(&w, NULL);
		jsonw_str(&w, "name", values->items[i].name);
		jsonw_str(&w, "value", values->items[i].value);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
}

static enum err_code seal(struct app *app, const struct session *session, const struct order_to *to,
                          const struct secret_values *values, struct arena *arena, struct str *ret,
                          struct err *err)
{
	const struct lease_worker *worker = fleet_find(&app->fleet, to->incarnation);
	enum err_code code = ERR_OK;
	struct buf plain, sealed;

	if (worker == NULL || worker->key[0] == '\0') {
		return err_set(err, ERR_UNAVAILABLE, "no key of worker %s is known", to->worker);
	}
	buf_init(&plain, ORDER_SECRET_PLAIN);
	buf_init(&sealed, ORDER_SECRET_MAX);
	write_plain(session, values, &plain);
	if (buf_failed(&plain) || !cred_box_seal(str_of(worker->key), buf_str(&plain), &sealed)) {
		code = err_set(err, ERR_TOO_LARGE, "the secrets of session %s", session->id.s);
	} else {
		*ret = arena_str(arena, buf_str(&sealed));
	}
	wipe(&plain);
	buf_fini(&sealed);
	return code;
}

bool order_wants_secrets(const struct session *session, struct arena *arena)
{
	return names_of(session->agent, arena).n > 0;
}

enum err_code order_secrets(struct app *app, const struct session *session,
                            const struct order_to *to, struct arena *arena, struct str *ret,
                            struct err *err)
{
	struct secret_wanted wanted = {
		.tenant = session->tenant.p,
		.project = session->project,
		.names = names_of(session->agent, arena),
	};
	struct secret_values *values;
	size_t bytes = 0;
	enum err_code code;

	*ret = STR_LIT("");
	if (wanted.names.n == 0) {
		return ERR_OK;
	}
	values = arena_take(arena, sizeof(*values));
	wanted.secret = cred_pepper_from(str_of(app->node->conf.pepper));
	code = secret_use(app->node->pg, &wanted, arena, values, err);
	for (size_t i = 0; code == ERR_OK && i < values->count; i++) {
		bytes += values->items[i].value.n;
	}
	if (code == ERR_OK && bytes > SECRET_OF_SESSION_BYTES) {
		code = err_set(err, ERR_TOO_LARGE, "the secrets of session %s", session->id.s);
	}
	if (code == ERR_OK && values->count > 0) {
		code = seal(app, session, to, values, arena, ret, err);
	}
	if (code == ERR_TOO_LARGE || code == ERR_INVALID) {
		*ret = str_of(arena_printf(arena, TASK_SECRETS_NONE "%s", err->msg));
		code = ERR_OK;
	}
	cred_wipe(&wanted.secret, sizeof(wanted.secret));
	return code;
}
