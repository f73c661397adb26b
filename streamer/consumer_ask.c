/* What clients of the consumer's face ask; docs/consumer.md says what becomes of each. */
#include "presence/presence.h"
#include "steer/signature.h"
#include "streamer/ask.h"
#include "streamer/consumer.h"
#include "streamer/consumer_frame.h"
#include "streamer/consumer_greet.h"
#include "streamer/consumer_private.h"
#include "streamer/viewer.h"
#include "task/task.h"

enum { WORD_MAX = 256, MESSAGE_MAX = 16 * 1024, UPDATES_MAX = 32, FRAME_TEXT_MAX = 512 * 1024 };

#define FIELD(of, member) .offset = offsetof(struct of, member), .present = JSON_NO_PRESENT

/* The client's own name for what it asks may be given with every frame. */
#define COMMAND_FIELD(of)                                                                          \
	{                                                                                          \
		.name = "command_id", .alias = "commandId", .kind = JSON_STR, FIELD(of, command),  \
		.max = ID_LEN, .help = ASK_COMMAND_HELP                                            \
	}

static struct consumer *consumer_of(const struct inbound *inbound)
{
	return inbound->socket->of_face;
}

static enum err_code find(struct inbound *inbound, struct ask *ask, struct err *err)
{
	return ask_session(inbound, str_of(consumer_of(inbound)->sid.s), ask, err);
}

/* Something that this face has a name for, and we have not. */
static enum err_code say_unsupported(struct inbound *inbound, const char *message)
{
	struct buf json;
	struct jsonw w;

	inbound_begin(inbound, "error", &json, &w);
	jsonw_cstr(&w, "code", err_name(ERR_UNSUPPORTED));
	jsonw_cstr(&w, "message", message);
	inbound_say(inbound, &json, &w);
	return ERR_OK;
}

/* ---- user_message, queue_message ---- */

struct message {
	struct inbound_head head;
	struct str content, session, command;
	bool has_images;
};

static void decode_images(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	bool *has_images = out;

	if (json_type_of(value) != JSON_T_ARRAY) {
		json_problem_add(problems, arena, path, "must be an array");
	} else {
		*has_images = json_count(value) > 0;
	}
}

#define IMAGES_FIELD(of)                                                                           \
	{                                                                                          \
		.name = "images", .kind = JSON_CUSTOM, FIELD(of, has_images),                      \
		.decode = decode_images, .schema = "{\"type\":\"array\"}",                         \
		.help = "Must be empty."                                                           \
	}

static const char no_images[] =
	"pictures are uploaded; prompts of REST and /api/v1/ws refer to them";

static const struct json_field message_fields[] = {
	INBOUND_HEAD,
	{ .name = "content", .kind = JSON_STR, FIELD(message, content), .max = TASK_PROMPT_MAX },
	{ .name = "session_id",
	  .kind = JSON_STR,
	  FIELD(message, session),
	  .max = WORD_MAX,
	  .help = "Of no effect." },
	IMAGES_FIELD(message),
	COMMAND_FIELD(message),
};

const struct json_table consumer_message_table = { "UserMessage", sizeof(struct message),
	                                           message_fields, ARRAY_LEN(message_fields) };

enum err_code consumer_user_message(struct inbound *inbound, const void *body, struct err *err)
{
	const struct message *message = body;
	struct str content = message->content;
	const struct json_list texts = { &content, 1 };
	struct ask ask;
	enum err_code code;

	if (message->has_images) {
		return say_unsupported(inbound, no_images);
	}
	if (content.n == 0) {
		return inbound_problem(inbound, "content", "is required", err);
	}
	code = find(inbound, &ask, err);
	return code == ERR_OK ? ask_prompt(inbound, &ask, &texts, "content", message->command, err)
	                      : code;
}

/* ---- update_queued_message, cancel_queued_message ---- */

struct queued {
	struct inbound_head head;
	struct str content, prompt;
	bool has_images;
};

#define PROMPT_FIELD                                                                               \
	{                                                                                          \
		.name = "prompt_id", .alias = "promptId", .kind = JSON_STR, FIELD(queued, prompt), \
		.max = ID_LEN,                                                                     \
		.help = "The command_id with which it was acknowledged; else the last of the "     \
			"user's that waits."                                                       \
	}

static const struct json_field update_fields[] = {
	INBOUND_HEAD,
	{ .name = "content",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(queued, content),
	  .min = 1,
	  .max = TASK_PROMPT_MAX },
	IMAGES_FIELD(queued),
	PROMPT_FIELD,
};
static const struct json_field take_back_fields[] = { INBOUND_HEAD, PROMPT_FIELD };

const struct json_table consumer_update_table = { "UpdateQueuedMessage", sizeof(struct queued),
	                                          update_fields, ARRAY_LEN(update_fields) };
const struct json_table consumer_take_back_table = { "CancelQueuedMessage", sizeof(struct queued),
	                                             take_back_fields,
	                                             ARRAY_LEN(take_back_fields) };

static enum err_code find_queued(struct inbound *inbound, const struct queued *queued,
                                 struct ask *ask, struct str *ret, struct err *err)
{
	enum err_code code = find(inbound, ask, err);

	*ret = queued->prompt;
	return code == ERR_OK && ret->n == 0 ? ask_last_waiting(inbound, ask, ret, err) : code;
}

enum err_code consumer_update(struct inbound *inbound, const void *body, struct err *err)
{
	const struct queued *queued = body;
	struct str content = queued->content, id;
	const struct task_prompt prompt = { .texts = { &content, 1 } };
	const struct ask_words words = { .prompt = &prompt };
	struct ask ask;
	enum err_code code;

	if (queued->has_images) {
		return say_unsupported(inbound, no_images);
	}
	code = find_queued(inbound, queued, &ask, &id, err);
	return code == ERR_OK ? ask_edit(inbound, &ask, id, &words, err) : code;
}

enum err_code consumer_take_back(struct inbound *inbound, const void *body, struct err *err)
{
	struct ask ask;
	struct str id;
	enum err_code code = find_queued(inbound, body, &ask, &id, err);

	return code == ERR_OK ? ask_take_back(inbound, &ask, id, err) : code;
}

/* ---- permission_response ---- */

static const char *const behaviors[] = { "allow", "deny", NULL };

struct permission {
	struct inbound_head head;
	struct str request, message, updated_input, updates, command;
	unsigned behavior;
	struct steer_signature signature;
	bool is_signed;
};

static const char updates_rule[] =
	"must be an array of at most 32 updates, each with a type, and a destination that is "
	"userSettings or projectSettings";

static bool is_update(const struct json_value *update)
{
	struct str destination = json_as_str(json_get(update, "destination"));

	return json_as_str(json_get(update, "type")).n > 0 &&
	       (str_eq(destination, STR_LIT("userSettings")) ||
	        str_eq(destination, STR_LIT("projectSettings")));
}

static void decode_updates(const struct json_value *value, const char *path, void *out,
                           struct arena *arena, struct json_problems *problems)
{
	struct str *updates = out;
	size_t count = json_count(value);
	bool fits = json_type_of(value) == JSON_T_ARRAY && count <= UPDATES_MAX;
	struct buf text;

	for (size_t i = 0; fits && i < count; i++) {
		fits = is_update(json_at(value, i));
	}
	buf_init(&text, STEER_PAYLOAD_MAX);
	if (fits) {
		json_format(value, &text);
		fits = !buf_failed(&text);
	}
	if (!fits) {
		json_problem_add(problems, arena, path, "%s", updates_rule);
	} else if (count > 0) {
		*updates = arena_str(arena, buf_str(&text));
	}
	buf_fini(&text);
}

static const struct json_field permission_fields[] = {
	INBOUND_HEAD,
	{ .name = "request_id",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(permission, request),
	  .min = 1,
	  .max = STEER_REQUEST_MAX },
	{ .name = "behavior",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  FIELD(permission, behavior),
	  .names = behaviors },
	{ .name = "updated_input",
	  .kind = JSON_RAW,
	  FIELD(permission, updated_input),
	  .max = STEER_PAYLOAD_MAX },
	{ .name = "updated_permissions",
	  .kind = JSON_CUSTOM,
	  FIELD(permission, updates),
	  .decode = decode_updates,
	  .schema = "{\"type\":\"array\",\"maxItems\":32,\"items\":{\"type\":\"object\"}}" },
	{ .name = "message", .kind = JSON_STR, FIELD(permission, message), .max = MESSAGE_MAX },
	{ .name = "signature",
	  .kind = JSON_OBJECT,
	  .offset = offsetof(struct permission, signature),
	  .present = offsetof(struct permission, is_signed),
	  .table = &steer_signature_table,
	  .help = "docs/audit.md says how." },
	COMMAND_FIELD(permission),
};

const struct json_table consumer_permission_table = { "PermissionResponse",
	                                              sizeof(struct permission), permission_fields,
	                                              ARRAY_LEN(permission_fields) };

enum err_code consumer_permission(struct inbound *inbound, const void *body, struct err *err)
{
	const struct permission *permission = body;
	const struct steer_approval answer = {
		.request = permission->request,
		.behavior = behaviors[permission->behavior],
		.scope = permission->updates.n > 0 ? "always" : "once",
		.updated_input = permission->updated_input,
		.permissions = permission->updates,
		.message = permission->message,
		.signature = permission->is_signed ? &permission->signature : NULL
	};
	struct steer_ask what = { .verb = STEER_APPROVAL, .approval = &answer };
	struct ask ask;
	enum err_code code = find(inbound, &ask, err);

	return code == ERR_OK ? ask_send(inbound, &ask, &what, permission->command, err) : code;
}

/* ---- interrupt, set_model, set_permission_mode ---- */

struct interrupt {
	struct inbound_head head;
	struct str command;
};

static const struct json_field interrupt_fields[] = {
	INBOUND_HEAD,
	COMMAND_FIELD(interrupt),
};

const struct json_table consumer_interrupt_table = { "Interrupt", sizeof(struct interrupt),
	                                             interrupt_fields,
	                                             ARRAY_LEN(interrupt_fields) };

enum err_code consumer_interrupt(struct inbound *inbound, const void *body, struct err *err)
{
	const struct interrupt *interrupt = body;
	struct steer_ask what = { .verb = STEER_INTERRUPT };
	struct ask ask;
	enum err_code code = find(inbound, &ask, err);

	return code == ERR_OK ? ask_send(inbound, &ask, &what, interrupt->command, err) : code;
}

struct setting {
	struct inbound_head head;
	struct str value, command;
};

#define SETTING_FIELDS(word)                                                                       \
	INBOUND_HEAD,                                                                              \
		{ .name = (word),                                                                  \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_REQUIRED,                                                          \
		  FIELD(setting, value),                                                           \
		  .min = 1,                                                                        \
		  .max = WORD_MAX },                                                               \
		COMMAND_FIELD(setting)

static const struct json_field model_fields[] = { SETTING_FIELDS("model") };
static const struct json_field mode_fields[] = { SETTING_FIELDS("mode") };

const struct json_table consumer_model_table = { "SetModel", sizeof(struct setting), model_fields,
	                                         ARRAY_LEN(model_fields) };
const struct json_table consumer_mode_table = { "SetPermissionMode", sizeof(struct setting),
	                                        mode_fields, ARRAY_LEN(mode_fields) };

static enum err_code send_word(struct inbound *inbound, const struct ask_word *word,
                               struct str command, struct err *err)
{
	struct ask ask;
	enum err_code code = find(inbound, &ask, err);

	return code == ERR_OK ? ask_word(inbound, &ask, word, command, err) : code;
}

enum err_code consumer_set_model(struct inbound *inbound, const void *body, struct err *err)
{
	const struct setting *setting = body;
	const struct ask_word word = { STEER_SET_MODEL, "model", setting->value };

	return send_word(inbound, &word, setting->command, err);
}

enum err_code consumer_set_mode(struct inbound *inbound, const void *body, struct err *err)
{
	const struct setting *setting = body;
	const struct ask_word word = { STEER_SET_PERMISSION_MODE, "mode", setting->value };

	return send_word(inbound, &word, setting->command, err);
}

/* ---- slash_command, set_adapter ---- */

struct slash {
	struct inbound_head head;
	struct str line, request, command;
};

static const struct json_field slash_fields[] = {
	INBOUND_HEAD,
	{ .name = "command",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(slash, line),
	  .min = 2,
	  .max = TASK_PROMPT_MAX },
	{ .name = "request_id",
	  .kind = JSON_STR,
	  FIELD(slash, request),
	  .max = INBOUND_REF_MAX,
	  .help = "What other frames call ref." },
	COMMAND_FIELD(slash),
};

const struct json_table consumer_slash_table = { "SlashCommand", sizeof(struct slash), slash_fields,
	                                         ARRAY_LEN(slash_fields) };

enum err_code consumer_slash(struct inbound *inbound, const void *body, struct err *err)
{
	const struct slash *slash = body;
	const struct ask_word word = { STEER_SLASH, "command", slash->line };

	if (inbound->ref.n == 0) {
		inbound->ref = slash->request; /* what this frame calls its ref */
	}
	return send_word(inbound, &word, slash->command, err);
}

struct adapter {
	struct inbound_head head;
	struct str adapter;
};

static const struct json_field adapter_fields[] = {
	INBOUND_HEAD,
	{ .name = "adapter", .kind = JSON_STR, FIELD(adapter, adapter), .max = WORD_MAX },
};

const struct json_table consumer_adapter_table = { "SetAdapter", sizeof(struct adapter),
	                                           adapter_fields, ARRAY_LEN(adapter_fields) };

enum err_code consumer_set_adapter(struct inbound *inbound, const void *body, struct err *err)
{
	(void)body;
	(void)err;
	return say_unsupported(inbound, "the agent of a session cannot be changed: submit a task "
	                                "with the agent that is wanted");
}

/* ---- presence_query, history_query ---- */

/* What is wanted is in `frames`; freed. */
static void say_frames(struct inbound *inbound, struct buf *frames)
{
	if (!buf_failed(frames)) {
		(void)outlet_say(&inbound->socket->outlet, buf_str(frames));
	}
	inbound->answered = true;
	buf_fini(frames);
}

enum err_code consumer_presence_query(struct inbound *inbound, const void *body, struct err *err)
{
	const struct feed_options *options = &inbound->socket->outlet.feed->options;
	struct presence_set present = { 0 };
	struct buf frames;
	enum err_code code =
		presence_list(options->store->redis, &consumer_of(inbound)->sid, &present, err);

	(void)body;
	if (code == ERR_OK) {
		buf_init(&frames, FRAME_TEXT_MAX);
		consumer_frame_consumers(&present, inbound->ref, &frames);
		say_frames(inbound, &frames);
	}
	presence_set_fini(&present);
	return code;
}

struct history {
	struct inbound_head head;
	uint64_t before, limit;
	bool has_before, has_limit;
};

static const struct json_field history_fields[] = {
	INBOUND_HEAD,
	{ .name = "before",
	  .kind = JSON_U64,
	  .offset = offsetof(struct history, before),
	  .present = offsetof(struct history, has_before),
	  .min = 1,
	  .max = CURSOR_N_MAX,
	  .help = "Only messages with a smaller seq; the newest unless given." },
	{ .name = "limit",
	  .kind = JSON_U64,
	  .offset = offsetof(struct history, limit),
	  .present = offsetof(struct history, has_limit),
	  .min = 1,
	  .max = PAST_MESSAGES_MAX,
	  .help = "Messages at most." },
};

const struct json_table consumer_history_table = { "HistoryQuery", sizeof(struct history),
	                                           history_fields, ARRAY_LEN(history_fields) };

enum err_code consumer_history(struct inbound *inbound, const void *body, struct err *err)
{
	const struct history *history = body;
	struct past past = { .messages_max = history->has_limit ? (size_t)history->limit
		                                                : PAST_MESSAGES_MAX };
	struct ask ask;
	struct buf frames;
	enum err_code code = find(inbound, &ask, err);

	if (code != ERR_OK) {
		return code;
	}
	past.store = ask.steer.store;
	past.pg = ask.steer.pg;
	past.sid = ask.session.id;
	past.tenant = ask.steer.who->tenant;
	past.through = ask.session.head.found ? ask.session.head.at.n : ask.session.row.n;
	if (history->has_before && history->before <= past.through) {
		past.through = history->before - 1;
	}
	code = past_look(&past, err);
	if (code == ERR_OK) {
		buf_init(&frames, FRAME_TEXT_MAX);
		consumer_greet_history(&past, inbound->ref, &frames);
		say_frames(inbound, &frames);
	}
	past_fini(&past);
	return code;
}
