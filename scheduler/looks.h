/* For log_heads_get(): a page of the archiver's walk. */
#pragma once

#include "base/arena.h"
#include "event/log.h"
#include "session/session_trail.h"

static inline struct log_look *trails_look(const struct session_trails *trails, struct arena *arena)
{
	struct log_look *looks = arena_take(arena, (trails->count + 1) * sizeof(*looks));

	for (size_t i = 0; i < trails->count; i++) {
		looks[i].sid = trails->items[i].id;
		looks[i].tenant = trails->items[i].tenant.p;
	}
	return looks;
}
