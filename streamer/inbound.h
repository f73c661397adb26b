/*
 * What a client may send over a WebSocket: JSON objects with a type, one row each in inbound.def.
 *
 * Every frame may carry a `ref`, which its answer, its ack or its error carries back.  What is
 * wrong with a frame is said in an error frame that names the field and the rule; the connection
 * stays.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/err.h"
#include "json/decode.h"
#include "json/write.h"

struct socket;

enum { INBOUND_REF_MAX = 64, INBOUND_TYPE_MAX = 64 };

enum inbound_face { INBOUND_FOLLOW, INBOUND_CONSUMER };
/* PARTICIPANT: not observers. */
enum inbound_who { INBOUND_ANY, INBOUND_PARTICIPANT };

/* A message that waits to be handled. */
struct inbound_message {
	STAILQ_ENTRY(inbound_message) link;
	size_t len;
	char text[];
};

STAILQ_HEAD(inbound_messages, inbound_message);

/* One frame that is handled. */
struct inbound {
	struct socket *socket;
	struct principal who;           /* as it was when the frame's turn came */
	struct arena *arena;            /* of all that was decoded from it */
	struct str ref;                 /* "": none */
	struct json_problems *problems; /* a handler may add some and return ERR_INVALID */
	bool answered;                  /* by a frame that carries the ref: there is no ack */
};

/* Runs on the socket's fiber, and may wait; afterwards the socket may be over. An error is said to
 * the client: the words, too, where the code is a client's mistake. */
typedef enum err_code(inbound_fn)(struct inbound *inbound, const void *body, struct err *err);

struct inbound_row {
	enum inbound_face face;
	enum inbound_who who;
	const char *type;
	const struct json_table *body;
	inbound_fn *run;
	const char *help;
};

/* All rows, one after the other; NULL begins, and ends. */
const struct inbound_row *inbound_next(const struct inbound_row *row);
void inbound_document(struct buf *out); /* docs/socket.md */

/* Every body begins with this, and its table with INBOUND_HEAD. */
struct inbound_head {
	struct str type, ref;
};

#define INBOUND_HEAD                                                                               \
	{ .name = "type",                                                                          \
	  .kind = JSON_STR,                                                                        \
	  .flags = JSON_REQUIRED,                                                                  \
	  .offset = offsetof(struct inbound_head, type),                                           \
	  .present = JSON_NO_PRESENT,                                                              \
	  .max = INBOUND_TYPE_MAX },                                                               \
	{                                                                                          \
		.name = "ref", .kind = JSON_STR, .offset = offsetof(struct inbound_head, ref),     \
		.present = JSON_NO_PRESENT, .max = INBOUND_REF_MAX                                 \
	}

enum { INBOUND_HEAD_FIELDS = 2 };

/* For frames that have nothing else. */
extern const struct json_table inbound_head_table;

/*
 * A frame's text to its row and body; *ret_ref is set whenever it can be.  ERR_INVALID: see
 * problems.  Pure.
 */
enum err_code inbound_decode(enum inbound_face face, struct str text, struct arena *arena,
                             const struct inbound_row **ret_row, void **ret_body,
                             struct str *ret_ref, struct json_problems *problems) MUST_CHECK;

/* Decode, run, and answer with an ack or an error. */
void inbound_run(struct socket *socket, enum inbound_face face, struct str text);

/* ---- for handlers ---- */

/* ERR_INVALID: a field breaks a rule. */
enum err_code inbound_problem(struct inbound *inbound, const char *field, const char *rule,
                              struct err *err);

/* ERR_FORBIDDEN: only an observer. */
enum err_code inbound_participate(const struct inbound *inbound, struct err *err) MUST_CHECK;

/* Begin an answer: an object with type and ref, which is then added to and said. */
void inbound_begin(struct inbound *inbound, const char *type, struct buf *json, struct jsonw *w);
/* Say it, and free its memory. */
void inbound_say(struct inbound *inbound, struct buf *json, struct jsonw *w);
