/* What the files of the opencode adapter share; not for others (but their unit test). */
#pragma once

#include <sys/queue.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/adapters/adapter.h"
#include "worker/adapters/adapter_out.h"
#include "worker/adapters/adapter_say.h"

#define OPENCODE_PROTOCOL "opencode"

enum {
	OPENCODE_PARTS_MAX = 256,   /* remembered; the oldest is forgotten */
	OPENCODE_MESSAGES_MAX = 64, /* of the user, whose parts are not told */
	OPENCODE_COMMANDS_MAX = 64, /* that wait for their answer */
	OPENCODE_BODY_MAX = 64 * 1024 * 1024,
	OPENCODE_LIST_MAX = 64 * 1024, /* bytes of a list of its capabilities */
	OPENCODE_ASK_MAX = 512 * 1024, /* bytes of a question */
};

struct opencode_part {
	TAILQ_ENTRY(opencode_part) link;
	char *id;
	struct buf text;           /* of a text that is being written, as far as it was told */
	char *call, *name, *agent; /* of a tool that has begun; NULL */
	size_t sent;               /* bytes of its text that were told */
	bool started, ended;
	bool thought;
};

struct opencode_ask {
	TAILQ_ENTRY(opencode_ask) link;
	char *id;
	struct json_value *event;
	bool question; /* to the person, not a permission */
};

enum opencode_kind { OPENCODE_PROMPT, OPENCODE_ABORT, OPENCODE_SLASH };

struct opencode_command {
	TAILQ_ENTRY(opencode_command) link;
	char *id;
	uint64_t tag;
	enum opencode_kind kind;
};

struct opencode_message {
	TAILQ_ENTRY(opencode_message) link;
	char *id;
};

struct adapter {
	const struct adapter_place *place;
	char *session;
	char *model;                     /* provider/model, "": its default */
	char *agent;                     /* its word for a mode, "": its default */
	char *used;                      /* the model of the last message */
	char *old_message;               /* the assistant's last of the turn before */
	char *last_message;              /* the assistant's last */
	char *models, *modes, *commands; /* JSON lists; NULL: not known yet */
	bool ready, failed, turn_open;
	bool turn_alive;           /* it has done something for this turn */
	bool busy_told, idle_told; /* since it began, and last */
	const char *stop;
	uint64_t last_tag;
	TAILQ_HEAD(opencode_parts, opencode_part) parts;
	TAILQ_HEAD(opencode_asks, opencode_ask) asks;
	TAILQ_HEAD(opencode_commands, opencode_command) waiting;
	TAILQ_HEAD(opencode_messages, opencode_message) users;
	size_t part_count, ask_count, command_count, user_count;
};

void opencode_set(char **at, struct str text); /* a copy, at most ADAPTER_ID_MAX bytes of it */
/* "" when it is the session itself, else the sub-agent's. */
struct str opencode_agent(const struct adapter *a, const struct json_value *properties);

/* opencode_part.c: what messages are made of */
void opencode_part_updated(struct adapter *a, const struct json_value *p, struct adapter_out *out);
void opencode_part_delta(struct adapter *a, const struct json_value *p, struct adapter_out *out);
void opencode_message_updated(struct adapter *a, const struct json_value *p,
                              struct adapter_out *out);
void opencode_todos(struct adapter *a, const struct json_value *p, struct adapter_out *out);
void opencode_parts_close(struct adapter *a, struct adapter_out *out);
void opencode_parts_free(struct adapter *a);

/* opencode_ask.c */
void opencode_permission_asked(struct adapter *a, struct json_value *event,
                               struct adapter_out *out); /* takes it */
void opencode_question_asked(struct adapter *a, struct json_value *event,
                             struct adapter_out *out); /* takes it */
void opencode_ask_closed(struct adapter *a, const struct json_value *p, struct adapter_out *out);
void opencode_answer(struct adapter *a, const struct adapter_answer *answer,
                     struct adapter_out *out);
/* Nobody waits for the answers: they are told so, if tell. */
void opencode_asks_withdraw(struct adapter *a, bool tell, struct adapter_out *out);

/* opencode_launch.c */
enum err_code opencode_launch(const struct adapter_place *place, struct arena *arena,
                              struct adapter_launch *ret, struct err *err) MUST_CHECK;

/* All types of events that are handled, or left out because others say the same; ends with NULL. */
const char *const *opencode_events(struct arena *arena);
