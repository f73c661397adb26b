/*
 * What is in the folder of a backup: the database as pg_dump writes it, and a manifest that says of
 * what, and how to tell that it is whole.  The manifest is written last: a folder without one is no
 * backup.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "cred/digest.h"

#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_DUMP     "fairlead.dump"

enum { BACKUP_FORMAT = 1, BACKUP_TABLES_MAX = 1000, BACKUP_MANIFEST_MAX = 256 * 1024 };
enum { BACKUP_HEX_SIZE = 2 * CRED_SHA256_SIZE + 1 };

struct backup_table {
	const char *name;
	uint64_t rows;
};

struct backup_file {
	uint64_t bytes;
	char sha256[BACKUP_HEX_SIZE];
};

/* Events that only Redis had. */
struct backup_behind {
	bool looked; /* false: no Redis could be asked */
	uint64_t sessions, events;
};

struct backup {
	const char *version;   /* of the program */
	unsigned protocol;     /* that it spoke */
	const char *migration; /* the last that was applied */
	int64_t made_us;
	const char *pepper; /* a mark of the installation's secret, not the secret */
	struct backup_table *tables;
	size_t table_count;
	struct backup_file dump;
	struct backup_behind behind;
};

void backup_write(const struct backup *backup, struct buf *out);
/* Its strings are the arena's. ERR_INVALID: it is none, or of a later format. */
enum err_code backup_read(struct str text, struct arena *arena, struct backup *ret,
                          struct err *err) MUST_CHECK;

/* To tell whether two secrets are the same one. */
const char *backup_pepper_mark(const struct cred_pepper *pepper, struct arena *arena);

/* Reads the file from its beginning to its end. */
enum err_code backup_file_look(const char *path, struct backup_file *ret,
                               struct err *err) MUST_CHECK;
