#include "rest/aomi.h"

#include "aomi/aomi.h"

enum { SESSIONS_MAX = 1000, CLAIM_MAX = 256, WORD_MAX = 64 };

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const char namespace_help[] =
	"Which agent answers. Once; blanks around it and upper case do not count. Without it a "
	"chat stays where it is, and a new one is in `default`.";
static const char claim_help[] = "Accepted from older clients; nothing follows from it.";
static const char after_help[] = "Only what came after this `cursor` of an earlier answer.";

#define TEXT(word, type, member, most, words)                                                      \
	{                                                                                          \
		.name = (word), .kind = REST_TEXT, FIELD(type, member), .max = (most),             \
		.help = (words)                                                                    \
	}

static const struct rest_query_field chat_fields[] = {
	{ .name = "message",
	  .kind = REST_TEXT,
	  .offset = offsetof(struct rest_aomi_chat, message),
	  .present = offsetof(struct rest_aomi_chat, has_message),
	  .max = AOMI_MESSAGE_MAX,
	  .help = "What is said." },
	TEXT("namespace", rest_aomi_chat, namespace, 2 * AOMI_NAMESPACE_MAX, namespace_help),
	TEXT("chatbot", rest_aomi_chat, chatbot, 2 * AOMI_NAMESPACE_MAX,
	     "An older name of `namespace`; both must say the same."),
	TEXT("public_key", rest_aomi_chat, public_key, CLAIM_MAX, claim_help),
	TEXT("user_state", rest_aomi_chat, user_state, AOMI_STATE_MAX,
	     "JSON text: {\"address\",\"chainId\",\"isConnected\",\"ensName\"}."),
};
const struct rest_query_table rest_aomi_chat_table = { sizeof(struct rest_aomi_chat), chat_fields,
	                                               ARRAY_LEN(chat_fields) };

static const struct rest_query_field state_fields[] = {
	TEXT("user_state", rest_aomi_state, user_state, AOMI_STATE_MAX,
	     "JSON text: {\"address\",\"chainId\",\"isConnected\",\"ensName\"}."),
	TEXT("after", rest_aomi_state, after, WORD_MAX, after_help),
	TEXT("public_key", rest_aomi_state, public_key, CLAIM_MAX, claim_help),
};
const struct rest_query_table rest_aomi_state_table = { sizeof(struct rest_aomi_state),
	                                                state_fields, ARRAY_LEN(state_fields) };

static const struct rest_query_field events_fields[] = {
	TEXT("count", rest_aomi_events, count, WORD_MAX,
	     "Only the last so many; what is no number counts for nothing."),
	TEXT("after", rest_aomi_events, after, WORD_MAX, after_help),
};
const struct rest_query_table rest_aomi_events_table = { sizeof(struct rest_aomi_events),
	                                                 events_fields, ARRAY_LEN(events_fields) };

static const struct rest_query_field updates_fields[] = {
	TEXT("after", rest_aomi_updates, after, WORD_MAX,
	     "The id of the last event that was seen; Last-Event-ID is younger."),
	TEXT("ticket", rest_aomi_updates, ticket, CLAIM_MAX, "A ticket instead of a key."),
};
const struct rest_query_table rest_aomi_updates_table = { sizeof(struct rest_aomi_updates),
	                                                  updates_fields,
	                                                  ARRAY_LEN(updates_fields) };

static const struct rest_query_field memory_fields[] = {
	TEXT("memory_mode", rest_aomi_memory, memory_mode, WORD_MAX,
	     "true, or anything else for false."),
};
const struct rest_query_table rest_aomi_memory_table = { sizeof(struct rest_aomi_memory),
	                                                 memory_fields, ARRAY_LEN(memory_fields) };

static const struct rest_query_field sessions_fields[] = {
	TEXT("public_key", rest_aomi_sessions, public_key, CLAIM_MAX, claim_help),
	{ .name = "limit",
	  .kind = REST_NUMBER,
	  FIELD(rest_aomi_sessions, limit),
	  .min = 1,
	  .max = SESSIONS_MAX,
	  .otherwise = SESSIONS_MAX,
	  .help = "At most so many." },
};
const struct rest_query_table rest_aomi_sessions_table = { sizeof(struct rest_aomi_sessions),
	                                                   sessions_fields,
	                                                   ARRAY_LEN(sessions_fields) };

static const struct rest_query_field namespaces_fields[] = {
	TEXT("public_key", rest_aomi_namespaces, public_key, CLAIM_MAX, claim_help),
};
const struct rest_query_table rest_aomi_namespaces_table = { sizeof(struct rest_aomi_namespaces),
	                                                     namespaces_fields,
	                                                     ARRAY_LEN(namespaces_fields) };

static const struct rest_query_field model_fields[] = {
	TEXT("rig", rest_aomi_model, rig, WORD_MAX, "The model that answers."),
	TEXT("baml", rest_aomi_model, baml, WORD_MAX, "Another one for structured output."),
	TEXT("namespace", rest_aomi_model, namespace, 2 * AOMI_NAMESPACE_MAX, namespace_help),
	TEXT("chatbot", rest_aomi_model, chatbot, 2 * AOMI_NAMESPACE_MAX,
	     "An older name of `namespace`; both must say the same."),
	TEXT("public_key", rest_aomi_model, public_key, CLAIM_MAX, claim_help),
};
const struct rest_query_table rest_aomi_model_table = { sizeof(struct rest_aomi_model),
	                                                model_fields, ARRAY_LEN(model_fields) };

/* ---- bodies ---- */

static const struct json_field chat_body[] = {
	{ .name = "message",
	  .kind = JSON_STR,
	  .offset = offsetof(struct rest_aomi_chat, message),
	  .present = offsetof(struct rest_aomi_chat, has_message),
	  .max = AOMI_MESSAGE_MAX,
	  .help = "What is said." },
	{ .name = "namespace",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_chat, namespace),
	  .max = 2 * AOMI_NAMESPACE_MAX,
	  .help = namespace_help },
	{ .name = "chatbot",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_chat, chatbot),
	  .max = 2 * AOMI_NAMESPACE_MAX,
	  .help = "An older name of `namespace`; both must say the same." },
	{ .name = "public_key",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_chat, public_key),
	  .max = CLAIM_MAX,
	  .help = claim_help },
	{ .name = "user_state",
	  .kind = JSON_RAW,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_chat, user_state),
	  .max = AOMI_STATE_MAX,
	  .help = "The client's wallet." },
};
const struct json_table rest_aomi_chat_body = { "AomiChat", sizeof(struct rest_aomi_chat),
	                                        chat_body, ARRAY_LEN(chat_body) };

static const struct json_field new_fields[] = {
	{ .name = "public_key",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_new, public_key),
	  .max = CLAIM_MAX,
	  .help = claim_help },
	{ .name = "title",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_new, title),
	  .max = AOMI_TITLE_MAX,
	  .help = "Accepted from older clients; a title is given with PATCH." },
	{ .name = "namespace",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_aomi_new, namespace),
	  .max = 2 * AOMI_NAMESPACE_MAX,
	  .help = namespace_help },
};
const struct json_table rest_aomi_new_table = { "AomiSession", sizeof(struct rest_aomi_new),
	                                        new_fields, ARRAY_LEN(new_fields) };

static const struct json_field title_fields[] = {
	{ .name = "title",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_aomi_title, title),
	  .min = 1,
	  .max = AOMI_TITLE_MAX,
	  .help = "It stays: none that is made replaces it." },
};
const struct json_table rest_aomi_title_table = { "AomiTitle", sizeof(struct rest_aomi_title),
	                                          title_fields, ARRAY_LEN(title_fields) };

static const struct json_field namespace_fields[] = {
	{ .name = "agent",
	  .kind = JSON_RAW,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_namespace, agent),
	  .max = 32 * 1024,
	  .help = "Who answers: an agent as in the body of POST /api/v1/tasks." },
	{ .name = "open",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_namespace, open),
	  .help = "It may be used without a key." },
};
const struct json_table rest_namespace_table = { "Namespace", sizeof(struct rest_namespace),
	                                         namespace_fields, ARRAY_LEN(namespace_fields) };

const struct json_table rest_aomi_nothing_table = { "Nothing", sizeof(struct rest_aomi_nothing),
	                                            NULL, 0 };
