/* What clients ask of sessions by frames (steer/steer.h): what both faces have in common. */
#pragma once

#include "steer/steer.h"
#include "streamer/inbound.h"

struct task_prompt;

/* A frame's session, and for whom it is steered. */
struct ask {
	struct steer steer;
	struct steer_session session;
};

/* The session that a frame names, where it is now. */
enum err_code ask_session(struct inbound *inbound, struct str session, struct ask *ret,
                          struct err *err) MUST_CHECK;

/* Ask it, and say so: an ack with the command's id. command: the client's own id for it, "" none.
 */
enum err_code ask_send(struct inbound *inbound, struct ask *ask, struct steer_ask *what,
                       struct str command, struct err *err) MUST_CHECK;

/* A prompt that may refer to uploads, which was in the field "prompt". */
struct ask_words {
	const struct task_prompt *prompt;
	bool steers; /* as in struct steer_words */
};
enum err_code ask_blocks(struct inbound *inbound, struct ask *ask, const struct ask_words *words,
                         struct str command, struct err *err) MUST_CHECK;
/* Other words for one that waits, and say so; and take one back. */
enum err_code ask_edit(struct inbound *inbound, struct ask *ask, struct str prompt,
                       const struct ask_words *words, struct err *err) MUST_CHECK;
enum err_code ask_take_back(struct inbound *inbound, struct ask *ask, struct str prompt,
                            struct err *err) MUST_CHECK;
/* The last of who asks that waits, in the frame's memory. ERR_NOT_FOUND: none does. */
enum err_code ask_last_waiting(struct inbound *inbound, struct ask *ask, struct str *ret,
                               struct err *err) MUST_CHECK;
/* A prompt of these texts (struct str), which were in that field. */
enum err_code ask_prompt(struct inbound *inbound, struct ask *ask, const struct json_list *texts,
                         const char *field, struct str command, struct err *err) MUST_CHECK;

/* {name: word} is what the verb says; a slash command begins with a slash. */
struct ask_word {
	enum steer_verb verb;
	const char *name;
	struct str word;
};
enum err_code ask_word(struct inbound *inbound, struct ask *ask, const struct ask_word *word,
                       struct str command, struct err *err) MUST_CHECK;

/* End it at once, and say so. */
enum err_code ask_cancel(struct inbound *inbound, struct ask *ask, struct str reason,
                         struct err *err) MUST_CHECK;

#define ASK_COMMAND_HELP                                                                           \
	"A ULID made by the client: the same command with the same id is done once and answered "  \
	"the same; another one with it is KEY_REUSED."

/* A member of bodies: the client's own id for the command, a ULID. */
#define ASK_COMMAND_FIELD(of)                                                                      \
	{                                                                                          \
		.name = "commandId", .alias = "command_id", .kind = JSON_STR,                      \
		.offset = offsetof(struct of, command), .present = JSON_NO_PRESENT, .max = ID_LEN, \
		.help = ASK_COMMAND_HELP                                                           \
	}
