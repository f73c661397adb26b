/* Secrets that an agent is given, as its task names them. */
#include <string.h>

#include "secret/secret.h"
#include "task/task_part.h"

enum { FILE_MAX = 255 };

#define SECRET(member) .offset = offsetof(struct task_secret, member), .present = JSON_NO_PRESENT

static const struct json_field secret_fields[] = {
	{ .name = "name", .kind = JSON_STR, .flags = JSON_REQUIRED, SECRET(name), .min = 1 },
	{ .name = "as", .kind = JSON_STR, .flags = JSON_NULLABLE, SECRET(as), .min = 1 },
	{ .name = "file", .kind = JSON_STR, .flags = JSON_NULLABLE, SECRET(file), .min = 1 },
};
static const struct json_table secret_table = { "SecretOfAgent", sizeof(struct task_secret),
	                                        secret_fields, ARRAY_LEN(secret_fields) };

/* Below the home: names that are none of ".", "..", "" and control characters. */
static const char *check_file(struct str path)
{
	static const char rule[] = "must be a path below the agent's home, without . and ..";
	struct str rest = path;

	if (path.n > FILE_MAX || path.p[0] == '/') {
		return rule;
	}
	for (size_t i = 0; i < path.n; i++) {
		if ((unsigned char)path.p[i] < ' ') {
			return rule;
		}
	}
	while (rest.p != NULL) {
		struct str name = str_split(&rest, '/');

		if (name.n == 0 || str_eq(name, STR_LIT(".")) || str_eq(name, STR_LIT(".."))) {
			return rule;
		}
	}
	return NULL;
}

static void check(const struct task_secret *secret, const char *path, struct arena *arena,
                  struct json_problems *problems)
{
	const char *rule = secret->name.n > 0 ? secret_check_name(secret->name) : NULL;

	if (rule != NULL) {
		json_problem_add(problems, arena, arena_printf(arena, "%s.name", path), "%s", rule);
	}
	rule = secret->as.n > 0 ? task_check_env_name(secret->as) : NULL;
	if (rule != NULL) {
		json_problem_add(problems, arena, arena_printf(arena, "%s.as", path), "%s", rule);
	}
	rule = secret->file.n > 0 ? check_file(secret->file) : NULL;
	if (rule != NULL) {
		json_problem_add(problems, arena, arena_printf(arena, "%s.file", path), "%s", rule);
	}
	if (secret->as.n > 0 && secret->file.n > 0) {
		json_problem_add(problems, arena, path, "must have one of as and file");
	}
}

void task_decode_secrets(const struct json_value *value, const char *path, void *out,
                         struct arena *arena, struct json_problems *problems)
{
	struct task_secret *secrets;
	size_t count = json_count(value);

	if (json_type_of(value) != JSON_T_ARRAY || count > SECRET_OF_SESSION_MAX) {
		json_problem_add(problems, arena, path, "must be an array of at most %d",
		                 SECRET_OF_SESSION_MAX);
		return;
	}
	secrets = arena_take(arena, (count + 1) * sizeof(*secrets));
	for (size_t i = 0; i < count; i++) {
		const struct json_value *item = json_at(value, i);
		const char *at = arena_printf(arena, "%s[%zu]", path, i);

		if (json_type_of(item) == JSON_T_STRING) {
			secrets[i] =
				(struct task_secret){ .name = arena_str(arena, json_as_str(item)) };
		} else {
			json_decode_value(item, &secret_table, at, &secrets[i], arena, problems);
		}
		check(&secrets[i], at, arena, problems);
	}
	*(struct json_list *)out = (struct json_list){ secrets, count };
}

const char *const *task_default_secrets(unsigned type)
{
	static const struct {
		const char *type;
		const char *names[8];
	} rows[] = {
		{ "claude-code",
		  { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
		    NULL } },
		{ "agent-sdk", { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", NULL } },
		{ "codex", { "OPENAI_API_KEY", "CODEX_API_KEY", NULL } },
		{ "gemini", { "GEMINI_API_KEY", "GOOGLE_API_KEY", NULL } },
		{ "opencode",
		  { "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY",
		    NULL } },
	};
	static const char *const none[] = { NULL };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(task_agent_types[type], rows[i].type) == 0) {
			return rows[i].names;
		}
	}
	return none;
}
