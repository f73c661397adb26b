/*
 * The store of uploads: their bytes by SHA-256, once for each tenant, as rows of PostgreSQL of at
 * most UPLOAD_CHUNK bytes, and who uploaded them under which name.
 *
 * All that others know of where the bytes are is upload_writer_*() and upload_chunk(): another
 * place for them (a store that speaks S3) would be behind these.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "cred/digest.h"
#include "json/decode.h"
#include "pg/pg.h"
#include "upload/upload.h"

struct upload {
	struct id id, content;
	struct str tenant, name, media_type, created_by;
	struct str sha256; /* lower-case digits */
	uint64_t size;
	int64_t created_us;
};

/* ---- bytes in ---- */

struct upload_room {
	uint64_t size;       /* that may come at most */
	uint64_t tenant_max; /* bytes of all contents of the tenant */
};

/* One that comes in. Zero it to begin. Until it is finished nobody sees it; what a process that
 * died left of one goes with upload_prune(). */
struct upload_writer {
	struct pg *pg;
	const char *tenant;
	struct id content; /* nil: there is nothing to abandon */
	struct cred_sha256 *hash;
	struct buf chunk;
	unsigned chunks;
	uint64_t size, max;
};

/* ERR_CONFLICT: the tenant has no room for so much. tenant is kept by reference. */
enum err_code upload_writer_open(struct upload_writer *writer, struct pg *pg, const char *tenant,
                                 const struct upload_room *room, struct err *err) MUST_CHECK;
/* ERR_TOO_LARGE: more than there was to come. */
enum err_code upload_writer_add(struct upload_writer *writer, struct str bytes,
                                struct err *err) MUST_CHECK;
/* What is left of the bytes, before the transaction of the end. */
enum err_code upload_writer_flush(struct upload_writer *writer, struct err *err) MUST_CHECK;

struct upload_new {
	struct str name;
	const char *media_type, *by;
};
/* It is there with the commit. The writer is closed only after that: a commit that fails leaves it
 * to be abandoned. */
enum err_code upload_writer_end(struct upload_writer *writer, struct pg_tx *tx,
                                const struct upload_new *given, struct arena *arena,
                                struct upload *ret, struct err *err) MUST_CHECK;
void upload_writer_close(struct upload_writer *writer);   /* after the commit */
void upload_writer_abandon(struct upload_writer *writer); /* harmless after a close */

/* ---- looking ---- */

struct upload_filter {
	const char *tenant, *by; /* by NULL: of anybody */
	struct id before;        /* of lists; nil: from the newest */
	unsigned max;
};

struct upload_list {
	struct upload *items; /* of the arena */
	size_t count;
	bool more;
};

enum err_code upload_list(struct pg *pg, const struct upload_filter *filter, struct arena *arena,
                          struct upload_list *ret, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err_code upload_get(struct pg *pg, const struct upload_filter *filter, const struct id *id,
                         struct arena *arena, struct upload *ret, struct err *err) MUST_CHECK;
/* The same, and it is in use: it is kept from now on as if it was new. */
enum err_code upload_use(struct pg *pg, const struct upload_filter *filter, const struct id *id,
                         struct arena *arena, struct upload *ret, struct err *err) MUST_CHECK;
/* The same for a session, as far as its tenant has it. */
enum err_code upload_use_for(struct pg *pg, const struct id *session, const struct id *id,
                             struct arena *arena, struct upload *ret, struct err *err) MUST_CHECK;
/* The n-th UPLOAD_CHUNK bytes of it, into out, which is reset. ERR_NOT_FOUND. */
enum err_code upload_chunk(struct pg *pg, const char *tenant, const struct id *content, unsigned n,
                           struct buf *out, struct err *err) MUST_CHECK;

struct principal;
/* What it sees: all of its tenant, or only its own when it is of some namespaces. */
struct upload_filter upload_filter_of(const struct principal *who);

/* Those that a prompt refers to (struct upload_ref) are in use; what is wrong with them are
 * problems. An error is the backend's. */
enum err_code upload_check(struct pg *pg, const struct upload_filter *filter,
                           const struct json_list *refs, struct arena *arena,
                           struct json_problems *problems, struct err *err) MUST_CHECK;

/* ---- away with it ---- */

/* ERR_NOT_FOUND. Its bytes go when no other upload has them. */
enum err_code upload_delete(struct pg_tx *tx, const struct upload_filter *filter,
                            const struct id *id, struct err *err) MUST_CHECK;

/* Some of what was not used for keep_s (0: none), and some of what nobody finished. *ret_count: how
 * many uploads and contents went. */
enum err_code upload_prune(struct pg *pg, uint64_t keep_s, uint64_t *ret_count,
                           struct err *err) MUST_CHECK;
