/*
 * Where snapshots are kept: a folder, this host's own or one that several workers share.
 *
 * <dir>/<sid>/<epoch>-<number>.image is what the provider made, <epoch>-<number>.json what is known
 * of it; the latter is written last, and whole, so what has none is nothing. A snapshot is named
 * <sid>.<epoch>.<number>. Only put, find, get and drop are wanted of a store: any store of objects
 * can be one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

enum {
	SNAPSHOT_FACTS_MAX = 64 * 1024,
	SNAPSHOTS_KEPT = 8, /* of one session: the newest */
	SNAPSHOT_NAME_SIZE = ID_LEN + 2 * 21 + 2,
};

struct snapshot_name {
	struct id sid;
	uint64_t epoch, number; /* from 1, of its epoch */
};

void snapshot_name_format(const struct snapshot_name *name, char out[SNAPSHOT_NAME_SIZE]);

/* A file without a name, in the store. The caller closes it. */
enum err_code snapshot_store_open(const char *dir, const struct id *sid, int *ret_fd,
                                  struct err *err) MUST_CHECK;
/* It gets its name; what is known of it is a JSON object. Older ones than the newest give way. */
enum err_code snapshot_store_put(const char *dir, const struct snapshot_name *name, int fd,
                                 struct str facts, struct err *err) MUST_CHECK;
/* The newest. ERR_NOT_FOUND. facts: into an empty buffer with room for SNAPSHOT_FACTS_MAX. The
 * caller closes *ret_fd. */
enum err_code snapshot_store_find(const char *dir, const struct id *sid, struct snapshot_name *ret,
                                  struct buf *facts, int *ret_fd, struct err *err) MUST_CHECK;
/* One turn of a slow duty: those of sessions of which none was taken for so long. */
void snapshot_store_sweep(const char *dir, uint64_t keep_ms);
