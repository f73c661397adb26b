#include "upload/upload_store.h"

#include <stdlib.h>

#include "log/log.h"
#include "loop/fiber.h"
#include "upload_sql_gen.h"

enum {
	PRUNE_ROWS = 256,
	COMING_S = 24 * 3600, /* the slowest client takes less for the largest upload */
};

enum { ID, CONTENT, TENANT, NAME, MEDIA_TYPE, SIZE, SHA256, CREATED_BY, CREATED };

static const struct text *sql(enum upload_sql_id id)
{
	return &upload_sql_texts[id];
}

static struct upload from_row(const struct pg_rows *rows, size_t i, struct arena *arena)
{
	struct upload upload = {
		.tenant = arena_str(arena, pg_str(rows, i, TENANT)),
		.name = arena_str(arena, pg_str(rows, i, NAME)),
		.media_type = arena_str(arena, pg_str(rows, i, MEDIA_TYPE)),
		.size = pg_u64(rows, i, SIZE),
		.sha256 = arena_str(arena, pg_str(rows, i, SHA256)),
		.created_by = arena_str(arena, pg_str(rows, i, CREATED_BY)),
		.created_us = pg_i64(rows, i, CREATED),
	};

	(void)str_copy(upload.id.s, sizeof(upload.id.s), pg_str(rows, i, ID));
	(void)str_copy(upload.content.s, sizeof(upload.content.s), pg_str(rows, i, CONTENT));
	return upload;
}

/* ---- bytes in ---- */

static enum err_code lock(struct pg_tx *tx, const char *tenant, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	return pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_LOCK), &params, NULL, err);
}

static enum err_code reserve(struct pg_tx *tx, const struct upload_writer *writer,
                             const struct upload_room *room, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, writer->tenant);
	pg_param_cstr(&params, writer->content.s);
	pg_param_u64(&params, room->size);
	pg_param_u64(&params, room->tenant_max);
	pg_param_u64(&params, UPLOAD_OF_TENANT_MAX);
	code = pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_RESERVE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_CONFLICT,
	                         "the tenant's uploads take too much room: delete some")
	               : code;
}

enum err_code upload_writer_open(struct upload_writer *writer, struct pg *pg, const char *tenant,
                                 const struct upload_room *room, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	enum err_code code;

	writer->pg = pg;
	writer->tenant = tenant;
	writer->content = id_new();
	writer->max = room->size;
	writer->hash = cred_sha256_new();
	buf_init(&writer->chunk, UPLOAD_CHUNK);
	code = pg_begin(pg, tenant, &tx, err);
	if (code == ERR_OK) {
		code = lock(tx, tenant, err);
	}
	if (code == ERR_OK) {
		code = reserve(tx, writer, room, err);
	}
	if (code == ERR_OK) {
		struct pg_tx *ready = tx;

		tx = NULL;
		code = pg_commit(ready, err);
	}
	return code;
}

enum err_code upload_writer_flush(struct upload_writer *writer, struct err *err)
{
	struct pg_params params = { 0 };
	enum err_code code;

	if (writer->chunk.len == 0) {
		return ERR_OK;
	}
	pg_param_cstr(&params, writer->tenant);
	pg_param_cstr(&params, writer->content.s);
	pg_param_u64(&params, writer->chunks);
	pg_param_bytes(&params, buf_str(&writer->chunk));
	code = pg_query(writer->pg, writer->tenant, sql(UPLOAD_SQL_UPLOAD_CHUNK_ADD), &params, NULL,
	                err);
	if (code == ERR_OK) {
		writer->chunks++;
		buf_reset(&writer->chunk);
	}
	return code;
}

enum err_code upload_writer_add(struct upload_writer *writer, struct str bytes, struct err *err)
{
	enum err_code code = ERR_OK;

	if (bytes.n > writer->max - writer->size) {
		return err_set(err, ERR_TOO_LARGE, "an upload may have at most %llu bytes",
		               (unsigned long long)writer->max);
	}
	cred_sha256_add(writer->hash, bytes);
	writer->size += bytes.n;
	while (code == ERR_OK && bytes.n > 0) {
		size_t room = UPLOAD_CHUNK - writer->chunk.len, n = bytes.n < room ? bytes.n : room;

		buf_add(&writer->chunk, bytes.p, n);
		bytes.p += n;
		bytes.n -= n;
		if (writer->chunk.len == UPLOAD_CHUNK) {
			code = upload_writer_flush(writer, err);
		}
	}
	return code;
}

static enum err_code find_same(struct pg_tx *tx, const char *tenant, struct str sha256,
                               struct id *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	*ret = (struct id){ "" };
	pg_param_cstr(&params, tenant);
	pg_param_bytes(&params, sha256);
	code = pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_SAME), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) > 0) {
		(void)str_copy(ret->s, sizeof(ret->s), pg_str(rows, 0, 0));
	}
	return code;
}

static enum err_code make_whole(struct pg_tx *tx, const struct upload_writer *writer,
                                struct str sha256, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, writer->tenant);
	pg_param_cstr(&params, writer->content.s);
	pg_param_bytes(&params, sha256);
	pg_param_u64(&params, writer->size);
	code = pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_WHOLE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_UNAVAILABLE, "the upload took too long")
	               : code;
}

static enum err_code drop(struct pg_tx *tx, const char *tenant, const struct id *content,
                          struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, content->s);
	return pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_DROP), &params, NULL, err);
}

static enum err_code add(struct pg_tx *tx, const char *tenant, const struct upload_new *given,
                         struct upload *upload, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, upload->id.s);
	pg_param_cstr(&params, upload->content.s);
	pg_param_text(&params, given->name);
	pg_param_cstr(&params, given->media_type);
	pg_param_cstr(&params, given->by);
	code = pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_ADD), &params, &rows, err);
	if (code == ERR_OK) {
		upload->created_us = pg_i64(rows, 0, 0);
	}
	return code;
}

static struct str hex(const unsigned char *bytes, size_t n, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	char *text = arena_take(arena, 2 * n + 1);

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * n] = '\0';
	return str_make(text, 2 * n);
}

enum err_code upload_writer_end(struct upload_writer *writer, struct pg_tx *tx,
                                const struct upload_new *given, struct arena *arena,
                                struct upload *ret, struct err *err)
{
	unsigned char sum[CRED_SHA256_SIZE] = { 0 };
	const struct str sha256 = str_make((const char *)sum, sizeof(sum));
	struct id same = { "" };
	enum err_code code = lock(tx, writer->tenant, err);

	cred_sha256_end(writer->hash, sum);
	if (code == ERR_OK) {
		code = find_same(tx, writer->tenant, sha256, &same, err);
	}
	if (code == ERR_OK) {
		code = id_is_nil(&same) ? make_whole(tx, writer, sha256, err)
		                        : drop(tx, writer->tenant, &writer->content, err);
	}
	*ret = (struct upload){ .id = id_new(),
		                .tenant = str_of(writer->tenant),
		                .content = id_is_nil(&same) ? writer->content : same,
		                .name = given->name,
		                .media_type = str_of(given->media_type),
		                .created_by = str_of(given->by),
		                .sha256 = hex(sum, sizeof(sum), arena),
		                .size = writer->size };
	return code == ERR_OK ? add(tx, writer->tenant, given, ret, err) : code;
}

void upload_writer_close(struct upload_writer *writer)
{
	if (writer->hash != NULL) {
		buf_fini(&writer->chunk);
	}
	cred_sha256_free(writer->hash);
	writer->hash = NULL;
	writer->content = (struct id){ "" };
}

void upload_writer_abandon(struct upload_writer *writer)
{
	struct pg_params params = { 0 };
	struct err err;

	if (!id_is_nil(&writer->content)) {
		pg_param_cstr(&params, writer->tenant);
		pg_param_cstr(&params, writer->content.s);
		fiber_shield();
		if (pg_query(writer->pg, writer->tenant, sql(UPLOAD_SQL_UPLOAD_DROP), &params, NULL,
		             &err) != ERR_OK) {
			log_warn("upload.left", "content=%s %s", writer->content.s, err.msg);
		}
		fiber_unshield();
	}
	upload_writer_close(writer);
}

/* ---- looking ---- */

enum err_code upload_list(struct pg *pg, const struct upload_filter *filter, struct arena *arena,
                          struct upload_list *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, filter->tenant);
	pg_param_cstr(&params, id_is_nil(&filter->before) ? NULL : filter->before.s);
	pg_param_cstr(&params, filter->by);
	pg_param_u64(&params, (uint64_t)filter->max + 1);
	code = pg_query(pg, filter->tenant, sql(UPLOAD_SQL_UPLOAD_LIST), &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	ret->more = pg_rows_count(rows) > filter->max;
	ret->count = ret->more ? filter->max : pg_rows_count(rows);
	ret->items = arena_take(arena, (ret->count + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		ret->items[i] = from_row(rows, i, arena);
	}
	return ERR_OK;
}

static enum err_code find(struct pg *pg, const char *tenant, enum upload_sql_id query,
                          const struct pg_params *params, struct pg_rows **rows, struct err *err)
{
	enum err_code code = pg_query(pg, tenant, sql(query), params, rows, err);

	return code == ERR_OK && pg_rows_count(*rows) == 0
	               ? err_set(err, ERR_NOT_FOUND, "no such upload")
	               : code;
}

static void name_it(struct pg_params *params, const struct upload_filter *filter,
                    const struct id *id)
{
	pg_param_cstr(params, filter->tenant);
	pg_param_cstr(params, id->s);
	pg_param_cstr(params, filter->by);
}

enum err_code upload_get(struct pg *pg, const struct upload_filter *filter, const struct id *id,
                         struct arena *arena, struct upload *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	name_it(&params, filter, id);
	code = find(pg, filter->tenant, UPLOAD_SQL_UPLOAD_GET, &params, &rows, err);
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

enum err_code upload_use(struct pg *pg, const struct upload_filter *filter, const struct id *id,
                         struct arena *arena, struct upload *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	name_it(&params, filter, id);
	code = find(pg, filter->tenant, UPLOAD_SQL_UPLOAD_USE, &params, &rows, err);
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

enum err_code upload_use_for(struct pg *pg, const struct id *session, const struct id *id,
                             struct arena *arena, struct upload *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, session->s);
	pg_param_cstr(&params, id->s);
	code = find(pg, "", UPLOAD_SQL_UPLOAD_OF_SESSION, &params, &rows, err);
	if (code == ERR_OK) {
		*ret = from_row(rows, 0, arena);
	}
	return code;
}

enum err_code upload_chunk(struct pg *pg, const char *tenant, const struct id *content, unsigned n,
                           struct buf *out, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	buf_reset(out);
	pg_param_cstr(&params, tenant);
	pg_param_cstr(&params, content->s);
	pg_param_u64(&params, n);
	code = pg_query(pg, tenant, sql(UPLOAD_SQL_UPLOAD_CHUNK_GET), &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "the upload is gone");
	}
	if (code == ERR_OK) {
		buf_add_str(out, pg_bytes(rows, 0, 0));
	}
	return code;
}

/* ---- away with it ---- */

enum err_code upload_delete(struct pg_tx *tx, const struct upload_filter *filter,
                            const struct id *id, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code = lock(tx, filter->tenant, err);
	struct id content;

	name_it(&params, filter, id);
	if (code == ERR_OK) {
		code = pg_tx_query(tx, sql(UPLOAD_SQL_UPLOAD_DELETE), &params, &rows, err);
	}
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such upload");
	}
	if (code != ERR_OK) {
		return code;
	}
	(void)str_copy(content.s, sizeof(content.s), pg_str(rows, 0, 0));
	return drop(tx, filter->tenant, &content, err);
}

static enum err_code prune(struct pg *pg, enum upload_sql_id query, uint64_t seconds,
                           uint64_t *count, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, seconds);
	pg_param_u64(&params, PRUNE_ROWS);
	code = pg_query(pg, "", sql(query), &params, &rows, err);
	*count += code == ERR_OK ? pg_rows_affected(rows) : 0;
	return code;
}

enum err_code upload_prune(struct pg *pg, uint64_t keep_s, uint64_t *ret_count, struct err *err)
{
	enum err_code code = ERR_OK;

	*ret_count = 0;
	if (keep_s > 0) {
		code = prune(pg, UPLOAD_SQL_UPLOAD_EXPIRE, keep_s, ret_count, err);
	}
	return code == ERR_OK ? prune(pg, UPLOAD_SQL_UPLOAD_SWEEP, COMING_S, ret_count, err) : code;
}
