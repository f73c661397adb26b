/* The workers that are alive, and which of their slots are free. */
#pragma once

#include "queue/eta.h"
#include "queue/lease.h"

enum { FLEET_MAX = 512 };

struct fleet {
	struct lease_worker *workers; /* from mem_calloc() */
	unsigned *working;            /* sessions that each works on, in all shards */
	size_t count;
	bool more; /* there are more than FLEET_MAX */
};

/* Frees nothing on errors but what it took. */
enum err_code fleet_read(struct redis *redis, struct fleet *ret, struct err *err) MUST_CHECK;
void fleet_fini(struct fleet *fleet);

/* Of the workers that get new sessions and have every word; *ret_fitting may be NULL. */
struct eta_slots fleet_slots(const struct fleet *fleet, const char *needs, size_t *ret_fitting);
