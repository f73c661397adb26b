/*
 * What clients of the AOMI surface say, and what that means here (docs/aomi.md).  Pure.
 *
 * A name is turned into its one spelling before anything is decided by it, and never again: what is
 * compared is what is used.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "event/cursor.h"

enum {
	AOMI_ID_MAX = 128, /* bytes of X-Session-Id */
	AOMI_GUEST_ID_MIN = 16,
	AOMI_GUEST_DISTINCT = 8, /* different characters */
	AOMI_NAMESPACE_MAX = 64,
	AOMI_MESSAGE_MAX = 16 * 1024,
	AOMI_TITLE_MAX = 200, /* bytes, of one that a user gave */
	AOMI_TITLE_WORDS = 6, /* of one that was made */
	AOMI_TITLE_BYTES = 60,
	AOMI_STATE_MAX = 4096, /* bytes of user_state */
	AOMI_CURSOR_SIZE = 64,
};

#define AOMI_TITLE_NEW         "New Chat"
#define AOMI_NAMESPACE_DEFAULT "default"
/* Why a session was stopped by POST /api/interrupt; its log says so. */
#define AOMI_INTERRUPTED "Interrupted by user"

/* NULL, or the rule that X-Session-Id breaks. Who has no key has nothing but this id, so it must be
 * hard to guess. */
const char *aomi_check_id(struct str id, bool guest);

/* Without the blanks around it and in lower case; false: no namespace can be called so. */
bool aomi_namespace_of(struct str given, char out[AOMI_NAMESPACE_MAX + 1]);

/* Both parameters name it; "" in out: neither does. NULL, or what is wrong with them. */
const char *aomi_namespace_pick(struct str namespace, struct str chatbot,
                                char out[AOMI_NAMESPACE_MAX + 1]);

/* The first words of a prompt, in one line. */
struct str aomi_title_of(struct str prompt, struct arena *arena);

/* Is it {"address"?:text,"chainId"?:number,"isConnected"?:bool,"ensName"?:text}, whatever else it
 * has? */
bool aomi_state_ok(struct str json);

/* ---- models ---- */

struct aomi_model {
	const char *slug, *label, *baml; /* label NULL: it is not listed */
};

/* NULL beyond the last. */
const struct aomi_model *aomi_model_at(unsigned i);
/* By its slug, label, short form or client name, however it is spelled; NULL: unknown. */
const struct aomi_model *aomi_model_find(struct str given);

/* ---- where a client is ---- */

/* In a chat, which several sessions carry on one after the other: "<part>.<epoch>-<n>". */
struct aomi_cursor {
	uint64_t part; /* from 1 */
	struct cursor at;
};

void aomi_cursor_format(const struct aomi_cursor *cursor, char out[AOMI_CURSOR_SIZE]);
bool aomi_cursor_parse(struct str text, struct aomi_cursor *ret) MUST_CHECK;
/* Is b later than a? */
bool aomi_cursor_before(const struct aomi_cursor *a, const struct aomi_cursor *b);
