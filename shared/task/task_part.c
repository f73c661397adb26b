#include "task/task_part.h"

#include "base/arena.h"
#include "cost/cost_json.h"
#include "task/task_json.h"

static const char *const blocks_known[] = { "audio", "resource", "resource_link", NULL };
/* How the older shape calls agents, and what they are called here. */
static const struct {
	const char *software, *type;
} softwares[] = {
	{ "Claude", "claude-code" }, { "Codex", "codex" }, { "Gemini", "gemini" },
	{ "Opencode", "opencode" },  { "Acp", "acp" },     { "Copilot", "copilot" },
	{ "CursorCli", "cursor" },   { "Goose", "goose" }, { "Qwen", "qwen" },
};

const char task_unsupported_schema[] = "{\"description\":\"Not supported yet.\",\"not\":{}}";

const char task_prompt_schema[] =
	"{\"description\":\"What to do: text, or content blocks.\",\"oneOf\":["
	"{\"type\":\"string\",\"minLength\":1,\"maxLength\":16384},"
	"{\"type\":\"array\",\"minItems\":1,\"maxItems\":64,\"items\":{\"oneOf\":["
	"{\"type\":\"object\","
	"\"properties\":{\"type\":{\"const\":\"text\"},\"text\":{\"type\":\"string\"}},"
	"\"required\":[\"type\",\"text\"],\"additionalProperties\":false},"
	"{\"type\":\"object\",\"description\":\"A picture for the agent to see, or a file in its "
	"workspace: an upload.\","
	"\"properties\":{\"type\":{\"enum\":[\"image\",\"file\"]},\"upload\":{\"type\":\"string\"}}"
	","
	"\"required\":[\"type\",\"upload\"],\"additionalProperties\":false}]}}]}";

#define PTY_SCHEMA                                                                                 \
	"{\"description\":\"Run it on a terminal.\",\"oneOf\":[{\"type\":\"boolean\"},"            \
	"{\"type\":\"object\",\"properties\":{"                                                    \
	"\"cols\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000},"                          \
	"\"rows\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}},"                         \
	"\"required\":[\"cols\",\"rows\"],\"additionalProperties\":false}]}"
#define SECRETS_SCHEMA                                                                             \
	"{\"type\":\"array\",\"description\":\"Secrets that it is given, by name.\","              \
	"\"maxItems\":32,\"items\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\","        \
	"\"properties\":{\"name\":{\"type\":\"string\"},\"as\":{\"type\":\"string\"},"             \
	"\"file\":{\"type\":\"string\"}},\"required\":[\"name\"],"                                 \
	"\"additionalProperties\":false}]}}"
#define SECONDS_SCHEMA "{\"type\":\"integer\",\"minimum\":1,\"maximum\":604800}"
/* Up to its settings, and from their last own one on. */
#define OPEN_SCHEMA(types)                                                                         \
	"{\"type\":\"object\",\"properties\":{\"type\":{\"enum\":[" types "]},"                    \
	"\"version\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64},"                      \
	"\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":1},"            \
	"\"settings\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"        \
	"\"env\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"            \
	"\"secrets\":" SECRETS_SCHEMA ","                                                          \
	"\"timeout_s\":" SECONDS_SCHEMA ",\"life_s\":" SECONDS_SCHEMA ","
#define CLOSE_SCHEMA "\"additionalProperties\":false}"
#define ARGV_SCHEMA                                                                                \
	"\"argv\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":256,"                            \
	"\"items\":{\"type\":\"string\"}}"
#define TALKER_SCHEMA                                                                              \
	"\"model\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128},"                       \
	"\"mode\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64},"                         \
	"\"idle_timeout_s\":" SECONDS_SCHEMA ",\"progress_timeout_s\":" SECONDS_SCHEMA ","         \
	"\"budget\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"          \
	"\"softUsd\":{\"type\":\"number\",\"minimum\":0},"                                         \
	"\"hardUsd\":{\"type\":\"number\",\"minimum\":0}}},"                                       \
	"\"interactive\":{\"type\":\"boolean\",\"default\":false},"                                \
	"\"config\":{\"type\":\"object\",\"description\":\"For the agent's adapter.\"}"
#define WITH_ARGV "},\"required\":[\"argv\"]}},\"required\":[\"type\",\"settings\"],"
#define WITHOUT   "}}},\"required\":[\"type\"],"
#define NAMED     "\"claude-code\",\"codex\",\"gemini\",\"opencode\""
#define COMMAND_SCHEMA                                                                             \
	OPEN_SCHEMA("\"command\"")                                                                 \
	ARGV_SCHEMA ",\"pty\":" PTY_SCHEMA WITH_ARGV CLOSE_SCHEMA
#define ACP_SCHEMA                                                                                 \
	OPEN_SCHEMA("\"acp\",\"agent-sdk\"") ARGV_SCHEMA "," TALKER_SCHEMA WITH_ARGV CLOSE_SCHEMA
#define NAMED_SCHEMA OPEN_SCHEMA(NAMED) TALKER_SCHEMA WITHOUT CLOSE_SCHEMA
#define AGENT_SCHEMA "{\"oneOf\":[" COMMAND_SCHEMA "," ACP_SCHEMA "," NAMED_SCHEMA "]}"

const char task_agent_schema[] = AGENT_SCHEMA;
const char task_agents_schema[] =
	"{\"type\":\"array\",\"description\":\"Which agents run, and how many sessions of each.\","
	"\"minItems\":1,\"maxItems\":16,\"items\":" AGENT_SCHEMA "}";

void task_decode_unsupported(const struct json_value *value, const char *path, void *out,
                             struct arena *arena, struct json_problems *problems)
{
	(void)value;
	(void)out;
	json_problem_add(problems, arena, path, "is not supported yet");
}

static bool is_in(struct str word, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (str_eq(word, str_of(*words))) {
			return true;
		}
	}
	return false;
}

/* ---- prompt ---- */

struct block {
	struct str type, text;
};

static const struct json_field block_fields[] = {
	{ .name = "type",
	  .kind = JSON_STR,
	  .offset = offsetof(struct block, type),
	  .present = JSON_NO_PRESENT },
	{ .name = "text",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct block, text),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = TASK_PROMPT_MAX },
};

static const struct json_table block_table = { "Text block", sizeof(struct block), block_fields,
	                                       ARRAY_LEN(block_fields) };

struct attached {
	struct str type, upload;
};

static const struct json_field attached_fields[] = {
	{ .name = "type",
	  .kind = JSON_STR,
	  .offset = offsetof(struct attached, type),
	  .present = JSON_NO_PRESENT },
	{ .name = "upload",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct attached, upload),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = ID_LEN },
};

static const struct json_table attached_table = { "Upload block", sizeof(struct attached),
	                                          attached_fields, ARRAY_LEN(attached_fields) };

static void decode_attached(const struct json_value *value, const char *path,
                            struct task_prompt *prompt, struct arena *arena,
                            struct json_problems *problems)
{
	struct upload_ref *refs = prompt->uploads.items, *ref = &refs[prompt->uploads.count++];
	struct attached attached = { .upload = STR_LIT("") };
	size_t before = problems->count;

	ref->path = arena_printf(arena, "%s.upload", path);
	ref->image = str_eq(json_as_str(json_get(value, "type")), STR_LIT("image"));
	json_decode_value(value, &attached_table, path, &attached, arena, problems);
	if (!id_parse(attached.upload, &ref->id) && problems->count == before) {
		json_problem_add(problems, arena, ref->path, "must be the id of an upload");
	}
}

static void decode_text(const struct json_value *value, const char *path,
                        struct task_prompt *prompt, struct arena *arena,
                        struct json_problems *problems)
{
	struct str *texts = prompt->texts.items;
	struct block block = { .text = STR_LIT("") };

	json_decode_value(value, &block_table, path, &block, arena, problems);
	texts[prompt->texts.count++] = block.text;
}

static void decode_block(const struct json_value *value, const char *path,
                         struct task_prompt *prompt, struct arena *arena,
                         struct json_problems *problems)
{
	struct str type = json_as_str(json_get(value, "type"));
	char *type_path = arena_printf(arena, "%s.type", path);

	if (is_in(type, blocks_known)) {
		json_problem_add(problems, arena, type_path,
		                 "\"%" STR_FMT "\" is not supported yet", STR_ARG(type));
	} else if (str_eq(type, STR_LIT("image")) || str_eq(type, STR_LIT("file"))) {
		decode_attached(value, path, prompt, arena, problems);
	} else if (json_type_of(value) == JSON_T_OBJECT && !str_eq(type, STR_LIT("text"))) {
		json_problem_add(problems, arena, type_path,
		                 "must be one of: text, image, file, audio, resource, "
		                 "resource_link");
	} else {
		decode_text(value, path, prompt, arena, problems);
	}
}

static struct str format(const struct json_value *value, struct arena *arena)
{
	struct str text;
	struct buf out;

	buf_init(&out, (size_t)8 * TASK_PROMPT_MAX);
	json_format(value, &out);
	text = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

static void decode_blocks(const struct json_value *value, const char *path,
                          struct task_prompt *prompt, struct arena *arena,
                          struct json_problems *problems)
{
	size_t total = 0, before = problems->count;
	const struct str *texts;

	prompt->texts.items = arena_take(arena, json_count(value) * sizeof(struct str));
	prompt->uploads.items = arena_take(arena, json_count(value) * sizeof(struct upload_ref));
	for (size_t i = 0; i < json_count(value); i++) {
		decode_block(json_at(value, i), arena_printf(arena, "%s[%zu]", path, i), prompt,
		             arena, problems);
	}
	texts = prompt->texts.items;
	for (size_t i = 0; i < prompt->texts.count; i++) {
		total += texts[i].n;
	}
	if (total > TASK_PROMPT_MAX) {
		json_problem_add(problems, arena, path, "must have at most %d bytes of text",
		                 TASK_PROMPT_MAX);
	}
	if (prompt->uploads.count > UPLOAD_OF_PROMPT_MAX) {
		json_problem_add(problems, arena, path, "must have at most %d uploads",
		                 UPLOAD_OF_PROMPT_MAX);
	}
	if (prompt->uploads.count > 0 && problems->count == before) {
		prompt->blocks = format(value, arena);
	}
}

void task_decode_prompt(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems)
{
	struct task_prompt *prompt = out;
	struct str text = json_as_str(value);

	if (text.n >= 1 && text.n <= TASK_PROMPT_MAX) {
		struct str *only = arena_take(arena, sizeof(*only));

		*only = arena_str(arena, text);
		prompt->texts = (struct json_list){ only, 1 };
	} else if (json_type_of(value) == JSON_T_ARRAY && json_count(value) >= 1 &&
	           json_count(value) <= TASK_BLOCKS_MAX) {
		decode_blocks(value, path, prompt, arena, problems);
	} else {
		json_problem_add(problems, arena, path,
		                 "must be a string of 1 to %d bytes or an array of 1 to %d "
		                 "content blocks",
		                 TASK_PROMPT_MAX, TASK_BLOCKS_MAX);
	}
}

/* ---- agents ---- */

struct size {
	uint64_t cols, rows;
};

static const struct json_field size_fields[] = {
	{ .name = "cols",
	  .kind = JSON_U64,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct size, cols),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = 1000 },
	{ .name = "rows",
	  .kind = JSON_U64,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct size, rows),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = 1000 },
};

static const struct json_table size_table = { "Terminal size", sizeof(struct size), size_fields,
	                                      ARRAY_LEN(size_fields) };

static void decode_pty(const struct json_value *value, const char *path, void *out,
                       struct arena *arena, struct json_problems *problems)
{
	struct size size = { TASK_PTY_COLS, TASK_PTY_ROWS };
	struct task_pty *pty = out;

	if (json_type_of(value) == JSON_T_OBJECT) {
		json_decode_value(value, &size_table, path, &size, arena, problems);
	} else if (json_type_of(value) != JSON_T_BOOL) {
		json_problem_add(problems, arena, path,
		                 "must be true, false or an object of cols and rows");
	}
	pty->wanted = json_type_of(value) == JSON_T_OBJECT || json_as_bool(value);
	pty->cols = pty->wanted ? size.cols : 0;
	pty->rows = pty->wanted ? size.rows : 0;
}

#define COMMAND(member) .offset = offsetof(struct task_command, member), .present = JSON_NO_PRESENT

#define ARGV_FIELD                                                                                 \
	{                                                                                          \
		.name = "argv", .kind = JSON_STRINGS, .flags = JSON_REQUIRED, COMMAND(argv),       \
		.min = 1, .max = TASK_ARGV_MAX, .item_max = TASK_COMMAND_BYTES_MAX,                \
		.help = "The program and its arguments; no shell is involved."                     \
	}
#define TIME_FIELD(word, other, member, text)                                                      \
	{                                                                                          \
		.name = word, .alias = other, .kind = JSON_U64, .flags = JSON_NULLABLE,            \
		COMMAND(member), .min = 1, .max = TASK_TIMEOUT_MAX_S, .help = text                 \
	}
#define SHARED_FIELDS                                                                              \
	{ .name = "env",                                                                           \
	  .kind = JSON_MAP,                                                                        \
	  .flags = JSON_NULLABLE,                                                                  \
	  COMMAND(env),                                                                            \
	  .max = TASK_ENV_MAX,                                                                     \
	  .item_max = TASK_COMMAND_BYTES_MAX,                                                      \
	  .name_max = 255 },                                                                       \
		{ .name = "secrets",                                                               \
		  .kind = JSON_CUSTOM,                                                             \
		  .flags = JSON_NULLABLE,                                                          \
		  COMMAND(secrets),                                                                \
		  .decode = task_decode_secrets,                                                   \
		  .schema = SECRETS_SCHEMA },                                                      \
		TIME_FIELD("timeout_s", "timeoutS", timeout_s,                                     \
	                   "It is stopped after this many seconds."),                              \
		TIME_FIELD("life_s", "lifeS", life_s,                                              \
	                   "The same, and time in which it waits or is paused counts too.")
#define TALKER_FIELDS                                                                              \
	{ .name = "model",                                                                         \
	  .kind = JSON_STR,                                                                        \
	  .flags = JSON_NULLABLE,                                                                  \
	  COMMAND(model),                                                                          \
	  .min = 1,                                                                                \
	  .max = TASK_MODEL_MAX },                                                                 \
		{ .name = "mode",                                                                  \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  COMMAND(mode),                                                                   \
		  .min = 1,                                                                        \
		  .max = TASK_MODE_MAX },                                                          \
		{ .name = "interactive",                                                           \
		  .kind = JSON_BOOL,                                                               \
		  .flags = JSON_NULLABLE,                                                          \
		  COMMAND(interactive) },                                                          \
		TIME_FIELD("idle_timeout_s", "idleTimeoutS", idle_s,                               \
	                   "It is ended when for so long nobody gave it a prompt between turns."), \
		TIME_FIELD("progress_timeout_s", "progressTimeoutS", progress_s,                   \
	                   "It fails when a turn brings nothing for so long."),                    \
		{ .name = "budget",                                                                \
		  .kind = JSON_OBJECT,                                                             \
		  .flags = JSON_NULLABLE,                                                          \
		  COMMAND(budget),                                                                 \
		  .table = &budget_table,                                                          \
		  .help = "What it may cost, with its retries." },                                 \
	{                                                                                          \
		.name = "config", .kind = JSON_CUSTOM, .flags = JSON_NULLABLE, COMMAND(config),    \
		.decode = decode_config, .schema = "{\"type\":\"object\"}"                         \
	}

#define BUDGET(member)                                                                             \
	.kind = JSON_CUSTOM, .offset = offsetof(struct task_budget, member),                       \
	.present = JSON_NO_PRESENT, .decode = cost_decode_usd, .schema = cost_usd_schema

static const struct json_field budget_fields[] = {
	{ .name = "softUsd",
	  .alias = "soft_usd",
	  .flags = JSON_NULLABLE,
	  BUDGET(soft),
	  .help = "From here on it is told that it costs much." },
	{ .name = "hardUsd",
	  .alias = "hard_usd",
	  .flags = JSON_NULLABLE,
	  BUDGET(hard),
	  .help = "Here it stops, and people are asked whether it goes on." },
};
static const struct json_table budget_table = { "Budget", sizeof(struct task_budget), budget_fields,
	                                        ARRAY_LEN(budget_fields) };

static void decode_config(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	struct buf text;

	if (json_type_of(value) != JSON_T_OBJECT) {
		json_problem_add(problems, arena, path, "must be an object");
		return;
	}
	buf_init(&text, TASK_RUN_MAX);
	json_format(value, &text);
	if (!buf_failed(&text)) { /* else check_size() says it */
		*(struct str *)out = arena_str(arena, buf_str(&text));
	}
	buf_fini(&text);
}

static const struct json_field command_fields[] = {
	ARGV_FIELD,
	SHARED_FIELDS,
	{ .name = "pty",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  COMMAND(pty),
	  .decode = decode_pty,
	  .schema = PTY_SCHEMA },
};
const struct json_table task_command_table = { "Command", sizeof(struct task_command),
	                                       command_fields, ARRAY_LEN(command_fields) };

static const struct json_field acp_fields[] = { ARGV_FIELD, SHARED_FIELDS, TALKER_FIELDS };
static const struct json_table acp_table = { "AcpAgent", sizeof(struct task_command), acp_fields,
	                                     ARRAY_LEN(acp_fields) };

static const struct json_field named_fields[] = { SHARED_FIELDS, TALKER_FIELDS };
static const struct json_table named_table = { "NamedAgent", sizeof(struct task_command),
	                                       named_fields, ARRAY_LEN(named_fields) };

const struct json_table *task_settings_table(unsigned type)
{
	return type == TASK_AGENT_COMMAND ? &task_command_table
	       : type < TASK_AGENT_NAMED  ? &acp_table
	                                  : &named_table;
}

#define AGENT(member) .offset = offsetof(struct task_agent, member), .present = JSON_NO_PRESENT

#define AGENT_FIELDS                                                                               \
	{ .name = "type",                                                                          \
	  .kind = JSON_ENUM,                                                                       \
	  .flags = JSON_REQUIRED,                                                                  \
	  AGENT(type),                                                                             \
	  .names = task_agent_types },                                                             \
		{ .name = "version",                                                               \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  AGENT(version),                                                                  \
		  .min = 1,                                                                        \
		  .max = 64 },                                                                     \
	{                                                                                          \
		.name = "count", .alias = "instances", .kind = JSON_U64, .flags = JSON_NULLABLE,   \
		AGENT(count), .min = 1, .max = TASK_SESSIONS_MAX                                   \
	}
#define AGENT_TABLE(noun, required, title)                                                         \
	static const struct json_field noun##_agent_fields[] = {                                   \
		AGENT_FIELDS,                                                                      \
		{ .name = "settings",                                                              \
		  .kind = JSON_OBJECT,                                                             \
		  .flags = (required) ? JSON_REQUIRED : JSON_NULLABLE,                             \
		  AGENT(command),                                                                  \
		  .table = (title) },                                                              \
	};                                                                                         \
	static const struct json_table noun##_agent_table = { "Agent", sizeof(struct task_agent),  \
		                                              noun##_agent_fields,                 \
		                                              ARRAY_LEN(noun##_agent_fields) }

AGENT_TABLE(command, true, &task_command_table);
AGENT_TABLE(acp, true, &acp_table);
AGENT_TABLE(named, false, &named_table);

/* Settings of a type that is not supported yet are not looked at: the type is the problem. */
static void ignore_settings(const struct json_value *value, const char *path, void *out,
                            struct arena *arena, struct json_problems *problems)
{
	(void)value;
	(void)path;
	(void)out;
	(void)arena;
	(void)problems;
}

static const struct json_field other_agent_fields[] = {
	AGENT_FIELDS,
	{ .name = "settings", .kind = JSON_CUSTOM, AGENT(command), .decode = ignore_settings },
};

static const struct json_table other_agent_table = { "Agent", sizeof(struct task_agent),
	                                             other_agent_fields,
	                                             ARRAY_LEN(other_agent_fields) };

static const struct json_table *table_of(struct str type)
{
	unsigned at = 0;

	while (task_agent_types[at] != NULL && !str_eq(type, str_of(task_agent_types[at]))) {
		at++;
	}
	if (task_agent_types[at] == NULL || at == TASK_AGENT_COMMAND) {
		return &command_agent_table;
	}
	if (!task_agent_supported(at)) {
		return &other_agent_table;
	}
	return at < TASK_AGENT_NAMED ? &acp_agent_table : &named_agent_table;
}

static void check_command(const struct task_command *command, const char *path, struct arena *arena,
                          struct json_problems *problems)
{
	const struct json_pair *env = command->env.items;
	const struct str *argv = command->argv.items;

	if (command->argv.count > 0 && argv[0].p != NULL && argv[0].n == 0) {
		json_problem_add(problems, arena, arena_printf(arena, "%s.settings.argv[0]", path),
		                 "must not be empty");
	}
	for (size_t i = 0; i < command->env.count; i++) {
		const char *rule = task_check_env_name(env[i].name);

		if (rule != NULL) {
			json_problem_add(
				problems, arena,
				arena_printf(arena, "%s.settings.env.%s", path, env[i].name.p),
				"%s", rule);
		}
	}
}

static void check_size(const struct json_value *settings, const char *path, struct arena *arena,
                       struct json_problems *problems)
{
	struct buf text;

	buf_init(&text, TASK_COMMAND_BYTES_MAX);
	json_format(settings, &text);
	if (buf_failed(&text)) {
		json_problem_add(problems, arena, arena_printf(arena, "%s.settings", path),
		                 "must be at most %d bytes of JSON", TASK_COMMAND_BYTES_MAX);
	}
	buf_fini(&text);
}

/* ---- the older shape: { agent: { software, version }, model, count, settings } ---- */

struct older_agent {
	struct str software, version;
};
struct older {
	struct older_agent agent;
	struct str model;
	uint64_t count;
	struct task_command command;
};
#define OLDER(member) .offset = offsetof(struct older, member), .present = JSON_NO_PRESENT

static const struct json_field software_fields[] = {
	{ .name = "software",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct older_agent, software),
	  .present = JSON_NO_PRESENT,
	  .max = 64 },
	{ .name = "version",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct older_agent, version),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = 64 },
};
static const struct json_table software_table = { "Software", sizeof(struct older_agent),
	                                          software_fields, ARRAY_LEN(software_fields) };

static const struct json_field older_fields[] = {
	{ .name = "agent",
	  .kind = JSON_OBJECT,
	  .flags = JSON_REQUIRED,
	  OLDER(agent),
	  .table = &software_table },
	{ .name = "model",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  OLDER(model),
	  .min = 1,
	  .max = TASK_MODEL_MAX },
	{ .name = "count",
	  .alias = "instances",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  OLDER(count),
	  .min = 1,
	  .max = TASK_SESSIONS_MAX },
	{ .name = "settings",
	  .kind = JSON_OBJECT,
	  .flags = JSON_NULLABLE,
	  OLDER(command),
	  .table = &named_table },
};
static const struct json_table older_table = { "OlderAgent", sizeof(struct older), older_fields,
	                                       ARRAY_LEN(older_fields) };

/* *ret: index into task_agent_types. */
static bool type_of_software(struct str software, unsigned *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(softwares); i++) {
		for (unsigned at = 0; task_agent_types[at] != NULL &&
		                      str_eq(software, str_of(softwares[i].software));
		     at++) {
			if (str_eq(str_of(softwares[i].type), str_of(task_agent_types[at]))) {
				*ret = at;
				return true;
			}
		}
	}
	return false;
}

static void decode_older(const struct json_value *value, const char *path, struct task_agent *agent,
                         struct arena *arena, struct json_problems *problems)
{
	char *at = arena_printf(arena, "%s.agent.software", path);
	struct older older;

	json_decode_value(value, &older_table, path, &older, arena, problems);
	*agent = (struct task_agent){ .version = older.agent.version,
		                      .count = older.count,
		                      .command = older.command };
	if (older.model.n > 0) {
		agent->command.model = older.model;
	}
	if (older.agent.software.n > 0 && !type_of_software(older.agent.software, &agent->type)) {
		json_problem_add(problems, arena, at,
		                 "is not known; use {\"type\":\"command\",\"settings\":{...}}");
	} else if (agent->type == TASK_AGENT_ACP || !task_agent_supported(agent->type)) {
		/* That of an ACP agent does not say which one. */
		json_problem_add(problems, arena, at, "\"%" STR_FMT "\" is not supported yet",
		                 STR_ARG(older.agent.software));
	}
}

void task_decode_agent(const struct json_value *value, const char *path, void *out,
                       struct arena *arena, struct json_problems *problems)
{
	struct str type = json_as_str(json_get(value, "type"));
	struct task_agent *agent = arena_take(arena, sizeof(*agent));

	*(struct json_list *)out = (struct json_list){ agent, 1 };
	if (json_type_of(json_get(value, "agent")) == JSON_T_OBJECT) {
		decode_older(value, path, agent, arena, problems);
	} else {
		json_decode_value(value, table_of(type), path, agent, arena, problems);
		if (!task_agent_supported(agent->type)) {
			json_problem_add(problems, arena, arena_printf(arena, "%s.type", path),
			                 "\"%" STR_FMT "\" is not supported yet", STR_ARG(type));
		}
	}
	if (agent->count == 0) {
		agent->count = 1;
	}
	if (agent->version.n == 0) {
		agent->version = STR_LIT("latest");
	}
	check_command(&agent->command, path, arena, problems);
	check_size(json_get(value, "settings"), path, arena, problems);
}

void task_decode_agents(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems)
{
	struct json_list *list = out;
	struct task_agent *agents;

	if (json_type_of(value) != JSON_T_ARRAY || json_count(value) < 1 ||
	    json_count(value) > TASK_AGENTS_MAX) {
		json_problem_add(problems, arena, path, "must be an array of 1 to %d items",
		                 TASK_AGENTS_MAX);
		return;
	}
	list->count = json_count(value);
	list->items = agents = arena_take(arena, list->count * sizeof(*agents));
	for (size_t i = 0; i < list->count; i++) {
		struct json_list one;

		task_decode_agent(json_at(value, i), arena_printf(arena, "%s[%zu]", path, i), &one,
		                  arena, problems);
		agents[i] = *(const struct task_agent *)one.items;
	}
}
