/* How codex is started: `codex app-server`, with its configuration in a file of its home, because
 * arguments are seen by everybody. */
#include "worker/adapters/codex_private.h"

#define WORKSPACE_POLICY                                                                           \
	"{\"type\":\"workspaceWrite\",\"writableRoots\":[],\"networkAccess\":false,"               \
	"\"excludeTmpdirEnvVar\":false,\"excludeSlashTmp\":false}"

const struct codex_mode codex_modes[] = {
	{ "auto", "Asks before it leaves its sandbox", "on-request", "workspace-write",
	  WORKSPACE_POLICY },
	{ "read-only", "Asks before it writes", "on-request", "read-only",
	  "{\"type\":\"readOnly\",\"networkAccess\":false}" },
	{ "untrusted", "Asks before everything but harmless commands", "untrusted",
	  "workspace-write", WORKSPACE_POLICY },
	{ "full-access", "Asks nothing", "never", "danger-full-access",
	  "{\"type\":\"dangerFullAccess\"}" },
	{ NULL, NULL, NULL, NULL, NULL },
};

const struct codex_mode *codex_mode_find(struct str name)
{
	for (const struct codex_mode *mode = codex_modes; mode->name != NULL; mode++) {
		if (str_eq(name, str_of(mode->name))) {
			return mode;
		}
	}
	return NULL;
}

struct str codex_setting(const struct adapter_place *place, const char *name)
{
	return json_as_str(json_get(json_get(place->settings, "config"), name));
}

/* ---- settings ---- */

static const char *const approvals[] = { "untrusted", "on-request", "never", NULL };
static const char *const sandboxes[] = { "read-only", "workspace-write", "danger-full-access",
	                                 NULL };

/* Those of its configuration that it is told with each thread or turn: a mode changes them. */
static const struct setting {
	const char *name;
	const char *const *values; /* NULL: any */
} settings[] = {
	{ "approval_policy", approvals },
	{ "sandbox_mode", sandboxes },
	{ "model_reasoning_effort", NULL },
};

static bool is_one_of(struct str v, const char *const *values)
{
	for (; *values != NULL; values++) {
		if (str_eq(v, str_of(*values))) {
			return true;
		}
	}
	return false;
}

static bool is_told_later(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (str_eq(name, str_of(settings[i].name))) {
			return true;
		}
	}
	return false;
}

static enum err_code check_settings(const struct adapter_place *place, struct err *err)
{
	const struct json_value *config = json_get(place->settings, "config");

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];
		const struct json_value *value = json_get(config, s->name);

		if (value != NULL && json_type_of(value) != JSON_T_STRING) {
			return err_set(err, ERR_INVALID, "config.%s must be a string", s->name);
		}
		if (value != NULL && s->values != NULL &&
		    !is_one_of(json_as_str(value), s->values)) {
			return err_set(err, ERR_INVALID, "config.%s must be one of %s, %s, %s",
			               s->name, s->values[0], s->values[1], s->values[2]);
		}
	}
	if (place->mode.n > 0 && codex_mode_find(place->mode) == NULL) {
		return err_set(err, ERR_INVALID,
		               "mode must be one of auto, read-only, untrusted, full-access");
	}
	return ERR_OK;
}

/* ---- config.toml (TOML 1.0): JSON's strings, numbers, booleans and lists are TOML's too ---- */

static void add_toml(struct buf *out, const struct json_value *value);

static void add_key(struct buf *out, struct str name)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_str(&w, NULL, name);
	buf_add_cstr(out, " = ");
}

static void add_table(struct buf *out, const struct json_value *value)
{
	const struct json_value *member;
	struct str name;
	void *at = NULL;
	const char *comma = "";

	buf_add_cstr(out, "{ ");
	while (json_next(value, &at, &name, &member)) {
		if (json_type_of(member) != JSON_T_NULL) { /* TOML has none */
			buf_add_cstr(out, comma);
			add_key(out, name);
			add_toml(out, member);
			comma = ", ";
		}
	}
	buf_add_cstr(out, " }");
}

static void add_list(struct buf *out, const struct json_value *value)
{
	const char *comma = "";

	buf_add_cstr(out, "[");
	for (size_t i = 0; i < json_count(value); i++) {
		if (json_type_of(json_at(value, i)) != JSON_T_NULL) {
			buf_add_cstr(out, comma);
			add_toml(out, json_at(value, i));
			comma = ", ";
		}
	}
	buf_add_cstr(out, "]");
}

/* At most JSON_VALUE_DEPTH levels. */
static void add_toml(struct buf *out, const struct json_value *value)
{
	switch (json_type_of(value)) {
	case JSON_T_OBJECT: add_table(out, value); break;
	case JSON_T_ARRAY: add_list(out, value); break;
	case JSON_T_NULL:
	case JSON_T_BOOL:
	case JSON_T_NUMBER:
	case JSON_T_STRING: json_format(value, out); break;
	}
}

static void add_config(struct buf *out, const struct json_value *config)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;

	if (json_get(config, "check_for_update_on_startup") == NULL) {
		buf_add_cstr(out, "check_for_update_on_startup = false\n");
	}
	if (json_get(config, "analytics") == NULL) {
		buf_add_cstr(out, "analytics = { enabled = false }\n");
	}
	while (json_next(config, &at, &name, &value)) {
		if (json_type_of(value) != JSON_T_NULL && !is_told_later(name)) {
			add_key(out, name);
			add_toml(out, value);
			buf_add_char(out, '\n');
		}
	}
}

enum err_code codex_launch(const struct adapter_place *place, struct arena *arena,
                           struct adapter_launch *ret, struct err *err)
{
	static const struct adapter_pair env[] = {
		{ STR_LIT("NO_COLOR"), STR_LIT("1") },
		{ STR_LIT("RUST_LOG"), STR_LIT("error") },
	};
	const char **argv = arena_take(arena, 3 * sizeof(*argv));
	struct adapter_file *file = arena_take(arena, sizeof(*file));
	enum err_code code = check_settings(place, err);
	struct buf text;

	if (code != ERR_OK) {
		return code;
	}
	buf_init(&text, ADAPTER_LINE_MAX);
	add_config(&text, json_get(place->settings, "config"));
	if (buf_failed(&text)) {
		code = err_set(err, ERR_INVALID, "config is too large");
	}
	*file = (struct adapter_file){ ".codex/config.toml", arena_str(arena, buf_str(&text)) };
	buf_fini(&text);
	argv[0] = place->program != NULL ? place->program : "codex";
	argv[1] = "app-server";
	*ret = (struct adapter_launch){ .argv = argv,
		                        .env = env,
		                        .env_count = ARRAY_LEN(env),
		                        .files = file,
		                        .file_count = 1 };
	return code;
}
