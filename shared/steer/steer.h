/*
 * What a client may ask of a session, whichever face it asks on: find it, as far as the client may
 * see it, and steer it (prompt, stop, pause, resume, answers to permission requests, cancel).
 *
 * What an agent has to be told is a row of the session's commands, durable before it is answered,
 * and then a note to its worker; a node that dies in between leaves the row, and that is enough.
 * A request that moves the session moves the log after the commit; the worker makes the move itself
 * where it is missing.  Asking again while the move is under way is answered like the first time.
 *
 * On fibers.  A message of an error below 500 is fit for the client.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "event/log.h"
#include "queue/mail.h"
#include "session/session_store.h"

struct approval_rule;
struct denials;
struct json_list;
struct session_gather;
struct steer_signature;

/* How answers to permission requests are checked and written down (steer/signature.h,
 * audit/audit.h); of a process. */
struct steer_trail {
	struct cred_pepper permissions; /* the subkey of that name */
	struct cred_pepper audit;       /* audit_key() */
	bool must_sign;
	struct denials *denials; /* of what was refused; NULL: nowhere */
};

/* For whom, and with what; made for a request. */
struct steer {
	const struct log_store *store;
	struct pg *pg;
	struct session_gather *rows; /* rows are read with those that others ask for; NULL: alone */
	const struct principal *who;
	struct arena *arena;             /* what is found or made lives there */
	const struct steer_trail *trail; /* NULL: answers are neither checked nor written down */
	struct str address;              /* where it comes from, for the audit */
};

/* ---- which session ---- */

struct steer_session {
	struct id id;
	struct log_head head;     /* .found false: the session has ended and left Redis */
	enum session_state state; /* as of now */
	bool has_row;
	struct session row; /* when has_row */
};

/* Where it is now: by the head of its log, and by its row where the head alone does not decide.
 * Unknown and foreign ids are alike: ERR_NOT_FOUND. */
enum err_code steer_find(const struct steer *steer, const struct id *id, struct steer_session *ret,
                         struct err *err) MUST_CHECK;

/* Its row alone. */
enum err_code steer_find_row(const struct steer *steer, const struct id *id, struct session *ret,
                             struct err *err) MUST_CHECK;

/*
 * After the log did not know a session: ERR_OK: it was accepted but never got its log, and has
 * it now: try again. ERR_GONE (it has ended; *ret_row is filled), ERR_NOT_FOUND, ERR_REBUILD
 * (later), or an error.
 */
enum err_code steer_find_log(const struct steer *steer, const struct id *id,
                             struct session *ret_row, struct err *err) MUST_CHECK;

/* What kept us from reading left nothing unknown. */
enum err_code steer_only_read(struct err *err);

/* ---- asking ---- */

enum steer_verb {
#define X(id, kind, to, refused) STEER_##id,
#include "steer/verb.def"
#undef X
	STEER_VERB_COUNT
};

const char *steer_kind(enum steer_verb verb); /* of the command's row */

/* A worker gets the payload in a note, with some words around it. */
enum {
	STEER_TEXT_MAX = 128 * 1024,
	STEER_PAYLOAD_MAX = 63 * 1024,
	STEER_REQUEST_MAX = 256, /* bytes of a request_id */
};

/* The answer to a permission request. */
struct steer_approval {
	struct str request;       /* its request_id */
	const char *behavior;     /* "allow" or "deny" */
	const char *scope;        /* "once", "session" or "always" */
	struct str updated_input; /* JSON; {NULL, 0}: as it was asked */
	struct str permissions;   /* JSON: rules to go with it; {NULL, 0}: none */
	struct str message;       /* to the agent; "": none */
	struct str option;        /* the agent's own option that was chosen; "" */
	struct str answers;       /* JSON: to questions of the agent; {NULL, 0}: none */
	bool interrupt;           /* with a denial: end the turn too */
	/* What "always" and "deny always" make, for the session's project and owner. NULL: what the
	 * question suggests, if a rule can say it. */
	const struct approval_rule *rule;
	bool must_rule;      /* ERR_INVALID, where it can not */
	const char *outcome; /* "expired": nobody said so; NULL: as behavior says */
	const char *by;      /* who it is told of; NULL: the principal */
	const struct steer_signature *signature; /* NULL: none */
	bool is_void; /* steer_is_asked() says no; steer_send() asks by itself */
};

/* Whether an agent waits for the answer to that request: it is in the session's log, and the agent
 * that asked still has the session. What lies very far back is believed. ret_question, if not NULL:
 * the data of the request, of the arena; "" when it is not known. */
enum err_code steer_is_asked(const struct steer *steer, const struct steer_session *session,
                             struct str request, bool *ret, struct str *ret_question,
                             struct err *err) MUST_CHECK;

/* A rule of this tenant is new, or (gone) not there any more: to all workers. A note that is lost
 * is made up for by the next order. */
void steer_tell_rule(struct redis *redis, const char *tenant, const struct approval_rule *rule,
                     bool gone);

struct steer_ask {
	enum steer_verb verb;
	const struct steer_approval *approval; /* STEER_APPROVAL */
	struct str payload;                    /* JSON object; {NULL, 0}: the reason alone */
	struct str reason;                     /* of a move; "": none given */
	/* The client's own name for it: asking again by the same name is answered the same. Nil:
	 * every time is another. */
	struct id command;
};

struct steer_done {
	struct id command; /* nil: the session was stopped before it had a worker, without one */
	uint64_t seq;
	struct str payload;       /* of the row */
	enum session_state state; /* where it is, or is on its way to */
	bool moved;               /* it is there already: no worker has to be asked */
	bool repeated;            /* this was asked before */
	struct id rule;           /* that the answer made; nil: none */
};

/* All of it. ERR_GONE, ERR_CONFLICT, ERR_ILLEGAL_MOVE: not in the state it is in. ERR_NOT_FOUND: no
 * such permission request waits. ERR_CONFLICT: the permission request has its answer.
 * ERR_FORBIDDEN: its signature does not count, or is missing.
 * ERR_KEY_REUSED: something else was asked by that name. ERR_UNKNOWN: ask again to learn. */
enum err_code steer_send(const struct steer *steer, struct steer_session *session,
                         const struct steer_ask *ask, struct steer_done *ret,
                         struct err *err) MUST_CHECK;

/* The same in two steps, for those who commit something else with it: in their transaction, which
 * after an error is theirs to abandon... */
enum err_code steer_write(const struct steer *steer, struct pg_tx *tx,
                          struct steer_session *session, const struct steer_ask *ask,
                          struct steer_done *ret, struct err *err) MUST_CHECK;
/* ... and after the commit. Also for a client that has left. */
void steer_follow(const struct steer *steer, struct steer_session *session,
                  const struct steer_ask *ask, const struct steer_done *done);

/* The payload of a prompt: texts (struct str), a line each. ERR_TOO_LARGE: beyond
 * STEER_PAYLOAD_MAX with its characters escaped. */
enum err_code steer_prompt(const struct json_list *texts, struct arena *arena, struct str *ret,
                           struct err *err) MUST_CHECK;

/* What else it may say. */
struct steer_words {
	const struct json_list *texts;
	struct str blocks; /* JSON array: content blocks in place of texts; {NULL, 0}: none */
	bool steers;       /* it joins the turn that runs, where the agent can do that */
	uint64_t version;  /* 0: the first */
};
enum err_code steer_words(const struct steer_words *words, struct arena *arena, struct str *ret,
                          struct err *err) MUST_CHECK;

/* ---- prompts that wait (docs/chat.md) ---- */

enum { STEER_PROMPTS_MAX = 1000 };

struct command_list;

/* In the order in which the agent gets them. */
enum err_code steer_prompts(const struct steer *steer, const struct id *session,
                            struct command_list *ret, struct err *err) MUST_CHECK;

/* The payload of an earlier one, to be asked again; nil: of the last. ERR_NOT_FOUND. */
enum err_code steer_prompt_again(const struct steer *steer, const struct id *session,
                                 const struct id *prompt, struct str *ret,
                                 struct err *err) MUST_CHECK;

/* Other words for it; words->version means nothing. ERR_CONFLICT: the agent has it, or it was taken
 * back. */
enum err_code steer_prompt_edit(const struct steer *steer, struct steer_session *session,
                                const struct id *prompt, const struct steer_words *words,
                                struct err *err) MUST_CHECK;

/* The agent does not get it. Taken back before: ERR_OK. */
enum err_code steer_prompt_cancel(const struct steer *steer, struct steer_session *session,
                                  const struct id *prompt, struct err *err) MUST_CHECK;

/* ---- ending it at once ---- */

/* Whatever it does, it is cancelled: its epoch is raised, and its worker is fenced. Cancelled
 * before: ERR_OK. */
enum err_code steer_cancel(const struct steer *steer, struct steer_session *session,
                           struct str reason, struct err *err) MUST_CHECK;
