/*
 * A session's log in the Redis of a test, and what is done to it. Failed expectations end the test.
 */
#pragma once

#include "event/log.h"
#include "tests/support/world.h"

#define TENANT "acme"

struct rig {
	struct world *world;
	struct log_store store;
	struct id sid;
};

struct rig rig_of(struct world *world);
struct log_result open_with(const struct rig *rig, const struct log_open *opening);
struct log_batch batch_of(const struct rig *rig, const struct log_new *events, size_t count);
struct log_result append(const struct rig *rig, const struct log_batch *batch);
struct log_result note(const struct rig *rig, const char *producer, uint64_t seq);
struct log_page read_after(const struct rig *rig, struct cursor after, unsigned max);
