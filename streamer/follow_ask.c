#include "streamer/follow_ask.h"

#include "rest/body.h"
#include "steer/signature.h"
#include "streamer/ask.h"
#include "streamer/channel.h"
#include "streamer/socket.h"
#include "task/task_json.h"

enum { MESSAGE_MAX = 32 * 1024, NAME_MAX_BYTES = 128, OPTION_MAX = 256, WORD_MAX = 256 };

#define FIELD(of, member) .offset = offsetof(struct of, member), .present = JSON_NO_PRESENT
#define SESSION_FIELD(of)                                                                          \
	{                                                                                          \
		.name = "sessionId", .alias = "session_id", .kind = JSON_STR,                      \
		.flags = JSON_REQUIRED, FIELD(of, session), .max = ID_LEN                          \
	}

static struct str only_session(const struct socket *socket)
{
	const struct subscriber *first = LIST_FIRST(&socket->outlet.followings);

	return first != NULL && LIST_NEXT(first, of_outlet) == NULL ? str_of(first->channel->sid.s)
	                                                            : (struct str){ NULL, 0 };
}

/* ---- prompt ---- */

static const char *const prompt_modes[] = { "queue", "steer", NULL };

struct prompt {
	struct inbound_head head;
	struct str session, command;
	struct str id; /* of one that waits */
	struct task_prompt words;
	unsigned mode; /* enum rest_prompt_mode */
};

#define WORDS_FIELDS                                                                               \
	{ .name = "prompt",                                                                        \
	  .alias = "message",                                                                      \
	  .kind = JSON_CUSTOM,                                                                     \
	  .flags = JSON_REQUIRED,                                                                  \
	  FIELD(prompt, words),                                                                    \
	  .decode = task_decode_prompt,                                                            \
	  .schema = task_prompt_schema },                                                          \
	{                                                                                          \
		.name = "mode", .kind = JSON_ENUM, FIELD(prompt, mode), .names = prompt_modes,     \
		.help = "steer: it joins the turn that runs, where the agent can do that; queue "  \
			"when it is not given."                                                    \
	}

static const struct json_field prompt_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(prompt),
	WORDS_FIELDS,
	ASK_COMMAND_FIELD(prompt),
};

const struct json_table follow_prompt_table = { "PromptFrame", sizeof(struct prompt), prompt_fields,
	                                        ARRAY_LEN(prompt_fields) };

static struct ask_words words_of(const struct prompt *prompt)
{
	return (struct ask_words){ .prompt = &prompt->words,
		                   .steers = prompt->mode == REST_PROMPT_STEER };
}

enum err_code follow_prompt(struct inbound *inbound, const void *body, struct err *err)
{
	const struct prompt *prompt = body;
	const struct ask_words words = words_of(prompt);
	struct ask ask;
	enum err_code code = ask_session(inbound, prompt->session, &ask, err);

	return code == ERR_OK ? ask_blocks(inbound, &ask, &words, prompt->command, err) : code;
}

/* ---- prompt_edit, prompt_cancel ---- */

#define PROMPT_ID_FIELD                                                                            \
	{                                                                                          \
		.name = "promptId", .alias = "prompt_id", .kind = JSON_STR,                        \
		.flags = JSON_REQUIRED, FIELD(prompt, id), .max = ID_LEN,                          \
		.help = "The commandId with which it was acknowledged."                            \
	}

static const struct json_field edit_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(prompt),
	PROMPT_ID_FIELD,
	WORDS_FIELDS,
};

const struct json_table follow_edit_table = { "PromptEdit", sizeof(struct prompt), edit_fields,
	                                      ARRAY_LEN(edit_fields) };

enum err_code follow_edit(struct inbound *inbound, const void *body, struct err *err)
{
	const struct prompt *prompt = body;
	const struct ask_words words = words_of(prompt);
	struct ask ask;
	enum err_code code = ask_session(inbound, prompt->session, &ask, err);

	return code == ERR_OK ? ask_edit(inbound, &ask, prompt->id, &words, err) : code;
}

static const struct json_field take_back_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(prompt),
	PROMPT_ID_FIELD,
};

const struct json_table follow_take_back_table = { "PromptCancel", sizeof(struct prompt),
	                                           take_back_fields, ARRAY_LEN(take_back_fields) };

enum err_code follow_take_back(struct inbound *inbound, const void *body, struct err *err)
{
	const struct prompt *prompt = body;
	struct ask ask;
	enum err_code code = ask_session(inbound, prompt->session, &ask, err);

	return code == ERR_OK ? ask_take_back(inbound, &ask, prompt->id, err) : code;
}

/* ---- set_model, set_mode, slash ---- */

struct word {
	struct inbound_head head;
	struct str session, word, command;
};

#define WORD_FIELDS(called, least, most)                                                           \
	INBOUND_HEAD, SESSION_FIELD(word),                                                         \
		{ .name = (called),                                                                \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_REQUIRED,                                                          \
		  FIELD(word, word),                                                               \
		  .min = (least),                                                                  \
		  .max = (most) },                                                                 \
		ASK_COMMAND_FIELD(word)

static const struct json_field model_fields[] = { WORD_FIELDS("model", 1, WORD_MAX) };
static const struct json_field mode_fields[] = { WORD_FIELDS("mode", 1, WORD_MAX) };
static const struct json_field slash_fields[] = { WORD_FIELDS("command", 2, TASK_PROMPT_MAX) };

const struct json_table follow_model_table = { "SetModelFrame", sizeof(struct word), model_fields,
	                                       ARRAY_LEN(model_fields) };
const struct json_table follow_mode_table = { "SetModeFrame", sizeof(struct word), mode_fields,
	                                      ARRAY_LEN(mode_fields) };
const struct json_table follow_slash_table = { "SlashFrame", sizeof(struct word), slash_fields,
	                                       ARRAY_LEN(slash_fields) };

static enum err_code send_word(struct inbound *inbound, const struct word *word,
                               enum steer_verb verb, const char *name, struct err *err)
{
	const struct ask_word what = { .verb = verb, .name = name, .word = word->word };
	struct ask ask;
	enum err_code code = ask_session(inbound, word->session, &ask, err);

	return code == ERR_OK ? ask_word(inbound, &ask, &what, word->command, err) : code;
}

enum err_code follow_model(struct inbound *inbound, const void *body, struct err *err)
{
	return send_word(inbound, body, STEER_SET_MODEL, "model", err);
}

enum err_code follow_mode(struct inbound *inbound, const void *body, struct err *err)
{
	return send_word(inbound, body, STEER_SET_PERMISSION_MODE, "mode", err);
}

enum err_code follow_slash(struct inbound *inbound, const void *body, struct err *err)
{
	return send_word(inbound, body, STEER_SLASH, "command", err);
}

/* ---- chat_request ---- */

/* Whose agent and channel it is the session says; the names are the client's own. */
struct chat {
	struct inbound_head head;
	struct str session, message, command, agent, channel, user_id, user_name;
	uint64_t after, seq;
	bool has_after;
};

#define NAME_FIELD(word)                                                                           \
	{                                                                                          \
		.name = #word, .kind = JSON_STR, FIELD(chat, word), .max = NAME_MAX_BYTES,         \
		.help = "Of no effect: the session and the key say it."                            \
	}

static const struct json_field chat_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(chat),
	{ .name = "message", .kind = JSON_STR, FIELD(chat, message), .max = MESSAGE_MAX },
	{ .name = "resumeAfterSeq",
	  .alias = "resume_after_seq",
	  .kind = JSON_U64,
	  .offset = offsetof(struct chat, after),
	  .present = offsetof(struct chat, has_after),
	  .max = CURSOR_N_MAX,
	  .help = "Without a message: follow from there." },
	{ .name = "seq", .kind = JSON_U64, FIELD(chat, seq), .help = "Of no effect." },
	NAME_FIELD(agent),
	NAME_FIELD(channel),
	NAME_FIELD(user_id),
	NAME_FIELD(user_name),
	ASK_COMMAND_FIELD(chat),
};

const struct json_table follow_chat_table = { "ChatRequest", sizeof(struct chat), chat_fields,
	                                      ARRAY_LEN(chat_fields) };

/* Who says something wants to hear the answer: from here on, unless it is heard already. */
static enum err_code hear(struct inbound *inbound, const struct ask *ask, struct err *err)
{
	const struct cursor now = { CURSOR_EPOCH_ANY, ask->session.head.at.n };

	return socket_find(inbound->socket, &ask->session.id) != NULL || !ask->session.head.found
	               ? ERR_OK
	               : follow_from(inbound, &ask->session.id, now,
	                             event_classes_in(EVENT_PROFILE_FULL), err);
}

enum err_code follow_chat(struct inbound *inbound, const void *body, struct err *err)
{
	const struct chat *chat = body;
	struct str message = chat->message;
	const struct json_list texts = { &message, 1 };
	struct ask ask;
	enum err_code code;

	if (message.n == 0 && !chat->has_after) {
		return inbound_problem(inbound, "message",
		                       "is required unless resume_after_seq is given", err);
	}
	code = ask_session(inbound, chat->session, &ask, err);
	if (code == ERR_OK && message.n == 0) {
		return follow_from(inbound, &ask.session.id,
		                   (struct cursor){ CURSOR_EPOCH_ANY, chat->after },
		                   event_classes_in(EVENT_PROFILE_FULL), err);
	}
	if (code == ERR_OK) {
		code = inbound_participate(inbound, err);
	}
	if (code == ERR_OK) {
		code = hear(inbound, &ask, err);
	}
	return code == ERR_OK ? ask_prompt(inbound, &ask, &texts, "message", chat->command, err)
	                      : code;
}

/* ---- approval_response ---- */

static const char *const actions[] = { "approve", "deny", "auto_session", "auto_always", NULL };
static const char *const behaviors[] = { "allow", "deny", "allow", "allow" };
static const char *const scopes[] = { "once", "once", "session", "always" };

struct approval {
	struct inbound_head head;
	struct str session, request, command, message, updated_input, option, answers;
	unsigned action;
	bool interrupt;
	struct steer_signature signature;
	bool is_signed;
};

static const struct json_field approval_fields[] = {
	INBOUND_HEAD,
	{ .name = "sessionId",
	  .alias = "session_id",
	  .kind = JSON_STR,
	  FIELD(approval, session),
	  .max = ID_LEN,
	  .help = "Required unless exactly one session is followed." },
	{ .name = "approvalId",
	  .alias = "approval_id",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(approval, request),
	  .min = 1,
	  .max = STEER_REQUEST_MAX },
	{ .name = "action",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  FIELD(approval, action),
	  .names = actions },
	{ .name = "message", .kind = JSON_STR, FIELD(approval, message), .max = MESSAGE_MAX },
	{ .name = "updatedInput",
	  .alias = "updated_input",
	  .kind = JSON_RAW,
	  FIELD(approval, updated_input),
	  .max = STEER_PAYLOAD_MAX },
	{ .name = "option",
	  .kind = JSON_STR,
	  FIELD(approval, option),
	  .max = OPTION_MAX,
	  .help = "The id of one of the question's options." },
	{ .name = "answers",
	  .kind = JSON_RAW,
	  FIELD(approval, answers),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "To the questions that the agent asks." },
	{ .name = "interrupt",
	  .kind = JSON_BOOL,
	  FIELD(approval, interrupt),
	  .help = "With deny: end the agent's turn, too." },
	{ .name = "signature",
	  .kind = JSON_OBJECT,
	  .offset = offsetof(struct approval, signature),
	  .present = offsetof(struct approval, is_signed),
	  .table = &steer_signature_table,
	  .help = "docs/audit.md says how." },
	ASK_COMMAND_FIELD(approval),
};

const struct json_table follow_approval_table = { "ApprovalResponse", sizeof(struct approval),
	                                          approval_fields, ARRAY_LEN(approval_fields) };

enum err_code follow_approval(struct inbound *inbound, const void *body, struct err *err)
{
	const struct approval *approval = body;
	const struct steer_approval answer = { .request = approval->request,
		                               .behavior = behaviors[approval->action],
		                               .scope = scopes[approval->action],
		                               .updated_input = approval->updated_input,
		                               .message = approval->message,
		                               .option = approval->option,
		                               .answers = approval->answers,
		                               .interrupt = approval->interrupt,
		                               .signature = approval->is_signed
		                                                    ? &approval->signature
		                                                    : NULL };
	struct steer_ask what = { .verb = STEER_APPROVAL, .approval = &answer };
	struct str session =
		approval->session.n > 0 ? approval->session : only_session(inbound->socket);
	struct ask ask;
	enum err_code code;

	if (session.n == 0) {
		return inbound_problem(inbound, "sessionId",
		                       "is required unless one session is followed", err);
	}
	code = ask_session(inbound, session, &ask, err);
	return code == ERR_OK ? ask_send(inbound, &ask, &what, approval->command, err) : code;
}

/* ---- stop, pause, resume, interrupt, cancel ---- */

struct control {
	struct inbound_head head;
	struct str session, reason, command;
};

static const struct json_field control_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(control),
	{ .name = "reason", .kind = JSON_STR, FIELD(control, reason), .max = REST_REASON_MAX },
	ASK_COMMAND_FIELD(control),
};

const struct json_table follow_control_table = { "ControlFrame", sizeof(struct control),
	                                         control_fields, ARRAY_LEN(control_fields) };

enum err_code follow_control(struct inbound *inbound, const void *body, struct err *err)
{
	static const enum steer_verb verbs[] = { STEER_STOP, STEER_PAUSE, STEER_RESUME,
		                                 STEER_INTERRUPT };
	const struct control *control = body;
	struct steer_ask what = { .verb = STEER_STOP, .reason = control->reason };
	struct ask ask;
	enum err_code code;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (str_eq(control->head.type, str_of(steer_kind(verbs[i])))) {
			what.verb = verbs[i];
		}
	}
	code = ask_session(inbound, control->session, &ask, err);
	return code == ERR_OK ? ask_send(inbound, &ask, &what, control->command, err) : code;
}

enum err_code follow_cancel(struct inbound *inbound, const void *body, struct err *err)
{
	const struct control *control = body;
	struct ask ask;
	enum err_code code = ask_session(inbound, control->session, &ask, err);

	return code == ERR_OK ? ask_cancel(inbound, &ask, control->reason, err) : code;
}
