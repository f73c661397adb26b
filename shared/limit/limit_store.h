/* Limits and weights as rows: what operators said, and schedulers bring into the queue
 * (queue/queue_limit.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "queue/queue_limit.h"

struct pg;

enum { LIMIT_NAME_MAX = 128, LIMIT_VALUE_MAX = 1000000 };

struct limit {
	enum queue_limit_kind kind;
	char tenant[QUEUE_TENANT_MAX + 1]; /* "": every tenant that has none of its own */
	char name[LIMIT_NAME_MAX +
	          1]; /* as people say it; "": the tenant itself, or all of a kind */
	bool none;    /* not limited (a weight: 1) */
	uint64_t value;
	uint64_t version; /* read: grows with every change */
};

/* tenant, user, project, agent, key, weight */
const char *limit_kind_name(enum queue_limit_kind kind);
bool limit_kind_parse(struct str name, enum queue_limit_kind *ret) MUST_CHECK;

/* ERR_INVALID: no such limit can be; ERR_NOT_FOUND: no such tenant. */
enum err_code limit_set(struct pg *pg, const struct limit *limit, struct err *err) MUST_CHECK;

/* What was changed after a version (0: all), in the order of changes. */
enum err_code limit_list(struct pg *pg, uint64_t after, struct limit *items, size_t max,
                         size_t *ret_count, struct err *err) MUST_CHECK;

/* For the queue: an owner of keys and a key of concurrency go by other names there. room holds the
 * name as long as ret is used. */
void limit_of_queue(const struct limit *limit, char room[QUEUE_NAME_MAX + 1],
                    struct queue_limit *ret);
