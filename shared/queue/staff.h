/* The workers that are alive, and which of their slots are free. */
#pragma once

#include "queue/eta.h"
#include "queue/lease.h"

enum { STAFF_MAX = 512 };

struct staff {
	struct lease_worker *workers; /* from mem_calloc() */
	unsigned *working;            /* sessions that each works on, in all shards */
	size_t count;
	bool more; /* there are more than STAFF_MAX */
};

/* Frees nothing on errors but what it took. */
enum err_code staff_read(struct redis *redis, struct staff *ret, struct err *err) MUST_CHECK;
void staff_fini(struct staff *staff);

/* Of the workers that get new sessions and have every word; *ret_fitting may be NULL. */
struct eta_slots staff_slots(const struct staff *staff, const char *needs, size_t *ret_fitting);
