/*
 * Gemini CLI: ACP with differences, which were found by running version 0.61.
 *
 * Files are its own business: offered ours, it takes the answer that a file is not there for a
 * failure (its client throws the error's object, its test wants an Error), and so cannot make new
 * files.  Its launcher starts a second process that survives the first: GEMINI_CLI_NO_RELAUNCH.
 * Modes that ask less are refused in a folder that is not trusted; the workspace is ours to trust.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/acp.h"
#include "worker/adapters/acp_private.h"

enum { FILE_ROOM = 4096 };

static const char *const modes[][2] = { { "auto_edit", "autoEdit" }, { NULL, NULL } };

static const struct acp_kind kind = {
	.type = "gemini",
	.fallback_login = "gemini-api-key", /* session/load wants one to be selected */
	.mode_echo = "[MODE_UPDATE] ",
	.modes = modes,
	.late_replay = true,
	.tool_in_id = true,
};

/* Whatever it may send home, or fetch for itself, is off; so is its sweep of sessions, which takes
 * a session that was loaded once for a broken one, and removes it. */
static struct str settings_file(const struct adapter_place *place, struct arena *arena)
{
	const struct json_value *login = json_get(json_get(place->settings, "config"), "auth");
	struct str method = json_as_str(json_get(login, "method"));
	struct buf text;
	struct jsonw w;
	struct str ret;

	buf_init(&text, FILE_ROOM);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "security");
	if (method.n > 0) {
		jsonw_object(&w, "auth");
		jsonw_str(&w, "selectedType", method);
		jsonw_end_object(&w);
	}
	jsonw_object(&w, "folderTrust");
	jsonw_bool(&w, "enabled", false);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	jsonw_raw(&w, "telemetry", STR_LIT("{\"enabled\":false}"));
	jsonw_raw(&w, "privacy", STR_LIT("{\"usageStatisticsEnabled\":false}"));
	jsonw_raw(&w, "general",
	          STR_LIT("{\"enableAutoUpdate\":false,\"enableAutoUpdateNotification\":false,"
	                  "\"sessionRetention\":{\"enabled\":false}}"));
	jsonw_end_object(&w);
	ret = arena_str(arena, buf_str(&text));
	buf_fini(&text);
	return ret;
}

static enum err_code launch(const struct adapter_place *place, struct arena *arena,
                            struct adapter_launch *ret, struct err *err)
{
	static const struct adapter_pair env[] = {
		{ { "GEMINI_CLI_NO_RELAUNCH", 22 }, { "true", 4 } },
		{ { "GEMINI_CLI_TRUST_WORKSPACE", 26 }, { "true", 4 } },
	};
	const struct json_value *args = json_get(json_get(place->settings, "config"), "args");
	struct adapter_file *file = arena_take(arena, sizeof(*file));
	const char **words = arena_take(arena, (ACP_WORDS_FRONT + 1) * sizeof(*words));
	enum err_code code = acp_check_login(place->settings, err);
	size_t at;

	if (code == ERR_OK && args != NULL) {
		code = acp_words(args, "config.args", arena, &words, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	at = place->model.n > 0 ? 0 : 2;
	words[at] = place->program != NULL ? place->program : "gemini";
	words[at + 1] = "--acp";
	if (place->model.n > 0) {
		words[2] = "-m";
		words[3] = arena_strdup(arena, place->model);
	}
	file->path = ".gemini/settings.json";
	file->text = settings_file(place, arena);
	*ret = (struct adapter_launch){ .argv = words + at,
		                        .env = env,
		                        .env_count = ARRAY_LEN(env),
		                        .files = file,
		                        .file_count = 1 };
	return ERR_OK;
}

static struct adapter *make(const struct adapter_place *place)
{
	return acp_make(&kind, place);
}

static const char *const keeps[] = { ".gemini/tmp", NULL };

/*
 * It loads a session by beginning session-MINUTE-ID.jsonl, and so empties the one to be loaded if
 * that began in the same minute (0.61).  Which file is whose stands in the file: what comes from
 * another lease has a year of its own.  The folder of chats is named after the last part of the
 * workspace's path, which is the session, and belongs to the whole path that its .project_root
 * names: without that it is taken over.
 */
static const char *file(struct str name, uint64_t epoch, struct arena *arena)
{
	static const struct str first = STR_LIT("session-2");
	enum { YEAR_END = sizeof("session-2000") - 1, YEARS = 1000 };

	if (str_eq(name, STR_LIT(".project_root"))) {
		return ".project_root.before";
	}
	if (name.n <= YEAR_END || !str_starts(name, first)) {
		return NULL;
	}
	return arena_printf(arena, "session-%u%.*s", YEARS + (unsigned)(epoch % YEARS),
	                    (int)(name.n - YEAR_END), name.p + YEAR_END);
}

const struct adapter_ops adapter_gemini = {
	.type = "gemini",
	.protocol = "gemini",
	.program = "gemini",
	.transport = ADAPTER_LINES,
	.features = ADAPTER_INTERRUPT | ADAPTER_SET_MODEL | ADAPTER_SET_MODE | ADAPTER_IMAGES |
	            ADAPTER_RESUME | ADAPTER_SLASH,
	.keeps = keeps,
	.file = file,
	.launch = launch,
	.make = make,
	.free = acp_free,
	.begin = acp_begin,
	.line = acp_line,
	.prompt = acp_prompt,
	.answer = acp_answer,
	.control = acp_control,
	.result = acp_call_result,
	.end = acp_end,
};
