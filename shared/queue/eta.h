/*
 * When a session will start, from how often sessions have started lately.
 *
 * It starts after those before it in its own line (the ready sessions of its user that need the
 * same). The time until then is the rest of the gap that runs and one gap for each that is before
 * it; gaps are taken as independent with the mean and the variance that were seen, their sum as a
 * gamma distribution. Where nothing is known of the line, that of its tenant or of all lines
 * counts, as many gaps more as there are users and tenants that take turns; where nothing is known
 * at all, how long sessions have run and how many slots there are.
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_why.h"

enum eta_basis {
	ETA_NONE,    /* nothing is known, or it does not wait for its turn */
	ETA_DUE,     /* of delayed: then it is ready */
	ETA_USER,    /* starts of its user, */
	ETA_TENANT,  /* of its tenant, */
	ETA_ALL,     /* of all that need the same */
	ETA_RUNTIME, /* how long sessions run */
	ETA_LIMIT,   /* the same, for the room in a limit */
	ETA_BASIS_COUNT
};

const char *eta_basis_name(enum eta_basis basis);

struct eta_slots {
	uint64_t all, free; /* working slots of the workers that fit it */
};

/* Of ten such sessions one starts before p10, five before p50, nine before p90. From now on. */
struct eta {
	enum eta_basis basis;
	uint64_t p10_ms, p50_ms, p90_ms; /* unless ETA_NONE */
};

struct eta eta_of(const struct queue_why *why, const struct eta_slots *slots);
