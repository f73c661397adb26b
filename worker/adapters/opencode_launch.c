/* How opencode is started: its server on a port of its own, its configuration in its environment.
 */
#include "worker/adapters/opencode_private.h"

/* What it asks before, unless the task says what: by itself it asks nearly nothing. */
#define ASK_FIRST                                                                                  \
	"{\"bash\":\"ask\",\"edit\":\"ask\",\"webfetch\":\"ask\",\"websearch\":\"ask\","           \
	"\"external_directory\":\"ask\",\"doom_loop\":\"ask\"}"

static enum err_code check(const struct adapter_place *place, struct err *err)
{
	if (place->model.n > 0 && memchr(place->model.p, '/', place->model.n) == NULL) {
		return err_set(err, ERR_INVALID, "model must be PROVIDER/MODEL");
	}
	return ERR_OK;
}

static void add_config(const struct adapter_place *place, struct buf *out)
{
	const struct json_value *config = json_get(place->settings, "config"), *value;
	struct str name;
	void *at = NULL;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	if (json_get(config, "autoupdate") == NULL) {
		jsonw_bool(&w, "autoupdate", false);
	}
	if (json_get(config, "share") == NULL) {
		jsonw_cstr(&w, "share", "disabled");
	}
	if (json_get(config, "permission") == NULL) {
		jsonw_raw(&w, "permission", STR_LIT(ASK_FIRST));
	}
	if (place->model.n > 0) {
		jsonw_str(&w, "model", place->model);
	}
	while (json_next(config, &at, &name, &value)) {
		if (place->model.n == 0 || !str_eq(name, STR_LIT("model"))) {
			adapter_say_value(&w, name.p, value);
		}
	}
	jsonw_end_object(&w);
}

enum err_code opencode_launch(const struct adapter_place *place, struct arena *arena,
                              struct adapter_launch *ret, struct err *err)
{
	enum { CONFIG_MAX = 96 * 1024 }; /* execve(2): one string has at most 128 KiB */
	const char **argv = arena_take(arena, 7 * sizeof(*argv));
	struct adapter_pair *env = arena_take(arena, 5 * sizeof(*env));
	enum err_code code = check(place, err);
	struct buf text;

	if (code != ERR_OK) {
		return code;
	}
	buf_init(&text, CONFIG_MAX);
	add_config(place, &text);
	if (buf_failed(&text)) {
		code = err_set(err, ERR_INVALID, "config is too large");
	}
	argv[0] = place->program != NULL ? place->program : "opencode";
	argv[1] = "serve";
	argv[2] = "--port";
	argv[3] = "0";
	argv[4] = "--hostname";
	argv[5] = "127.0.0.1";
	env[0] = (struct adapter_pair){ STR_LIT("OPENCODE_CONFIG_CONTENT"),
		                        arena_str(arena, buf_str(&text)) };
	env[1] = (struct adapter_pair){ STR_LIT("OPENCODE_SERVER_PASSWORD"), place->password };
	env[2] = (struct adapter_pair){ STR_LIT("OPENCODE_DISABLE_AUTOUPDATE"), STR_LIT("1") };
	env[3] = (struct adapter_pair){ STR_LIT("OPENCODE_DISABLE_MODELS_FETCH"), STR_LIT("1") };
	env[4] = (struct adapter_pair){ STR_LIT("NO_COLOR"), STR_LIT("1") };
	buf_fini(&text);
	*ret = (struct adapter_launch){ .argv = argv, .env = env, .env_count = 5 };
	return code;
}
