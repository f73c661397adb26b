/* What the files of checks share. */
#pragma once

#include <stdbool.h>

#include "tests/sim/model_data.h"
#include "tests/sim/world.h"

/* What the queue has of a session. */
struct item {
	bool found;
	enum queue_set set;
	struct str inc, attempt, epoch, key, need, reason;
	unsigned sets, working, parked, keyed;
};

const struct item *check_item(unsigned i); /* as it is now */
int check_index(struct str sid);           /* -1: none of this world */
struct value *check_value(const char *key, enum value_type type);
struct str check_field(struct value *hash, const char *name); /* "": it has none */
uint64_t check_limit_of(struct str name);
struct str check_gate_of(struct str name); /* "": none */
bool check_is(const struct ran *ran, const char *name);

void check_start(const struct record *record); /* it starts: nothing is shut for it */
void check_turn(struct str tenant);            /* it is served */

/* ---- check_offer.c ---- */

/* After any command: what stands is what was answered. */
void check_offers(const struct ran *ran);
/* After a queue_submit: if it leased, what a claim would have kept to holds. */
void check_submitted(const struct ran *ran);
/* After all checks of what changed the queue: how it was before the next. */
void check_remember(void);
