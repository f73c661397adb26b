/*
 * Redis keys of one session. All carry the hash tag {s:<sid>}, so that a script's keys live in one
 * slot of a cluster. Ids are made by the server: user text is never part of a key.
 */
#pragma once

#include "base/id.h"
#include "event/log.h"

struct log_keys {
	char head[LOG_KEY_SIZE];     /* hash: see lua/log_open.lua */
	char log[LOG_KEY_SIZE];      /* stream */
	char bell[LOG_KEY_SIZE];     /* channel */
	char archiver[LOG_KEY_SIZE]; /* string: a claim */
};

void log_keys_of(const struct id *sid, struct log_keys *ret);
