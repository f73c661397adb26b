/* One session with a log in Redis and an archive in PostgreSQL, and what is done to it. */
#pragma once

#include "event/segment.h"
#include "pg/pg.h"
#include "tests/support/world.h"

#define TENANT "acme"

struct rig {
	struct world *world;
	struct log_store store;
	struct pg *pg;
	struct id sid;
};

void rig_tell(const struct rig *rig, const char *name, const char *sql, const char *second);
struct log_result rig_must(enum err_code code, const struct log_result *result,
                           const struct err *err);
struct rig rig_new(struct world *world);
void rig_append_notes(const struct rig *rig, unsigned count);
void rig_raise_epoch(const struct rig *rig, const char *token);
void rig_end_session(const struct rig *rig);
uint64_t rig_archive(const struct rig *rig, size_t events_min, uint64_t hot);
struct log_page rig_history(const struct rig *rig, struct cursor after, unsigned max);
uint64_t rig_read_all(const struct rig *rig, struct cursor at, unsigned max);
