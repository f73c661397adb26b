#include "worker/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/*
 * header: "fairlead journal 1\n" tenant "\n"
 * record: length of the body (4), checksum of the body (4), body:
 *         epoch (8) n (8) ts_ms (8) seq (8), lengths of type, level, producer, state (1 each) and
 *         data (4), then these bytes.  Numbers are little-endian.
 */
static const char version_line[] = "fairlead journal 1\n";

enum {
	FRAME = 8,
	FIXED = 4 * 8 + 4 + 4,
	BODY_MAX = FIXED + 4 * 255 + EVENT_DATA_MAX,
	HEADER_MAX = sizeof(version_line) + JOURNAL_TENANT_MAX + 1,
	COPY_CHUNK = 64 * 1024,
	RECORD_KEPT = 1024,
};

struct journal {
	int fd;
	char path[JOURNAL_PATH_MAX];
	char tenant[JOURNAL_TENANT_MAX + 1];
	uint64_t header; /* bytes before the first record */
	uint64_t size;
	uint64_t base;
	struct cursor last;
	struct buf record; /* kept between calls */
};

/* ---- records ---- */

static void put(unsigned char *out, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		out[i] = (unsigned char)(v >> (8 * i));
	}
}

static uint64_t get(const char *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++) {
		v |= (uint64_t)(unsigned char)in[i] << (8 * i);
	}
	return v;
}

static uint32_t checksum(struct str bytes)
{
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < bytes.n; i++) {
		hash = (hash ^ (unsigned char)bytes.p[i]) * 16777619U;
	}
	return hash;
}

void journal_encode(const struct log_event *event, struct buf *out)
{
	const struct str parts[] = { event->type, event->level, event->producer, event->state };
	unsigned char head[FRAME + FIXED];
	size_t start = out->len, body = FIXED + event->data.n;

	put(head + FRAME, event->at.epoch, 8);
	put(head + FRAME + 8, event->at.n, 8);
	put(head + FRAME + 16, (uint64_t)event->ts_ms, 8);
	put(head + FRAME + 24, event->seq, 8);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		head[FRAME + 32 + i] = (unsigned char)parts[i].n;
		body += parts[i].n;
	}
	put(head + FRAME + 36, event->data.n, 4);
	put(head, body, 4);
	buf_add(out, head, sizeof(head));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_add_str(out, parts[i]);
	}
	buf_add_str(out, event->data);
	if (!buf_failed(out)) {
		put(head + 4, checksum(str_make(out->data + start + FRAME, body)), 4);
		memcpy(out->data + start + 4, head + 4, 4);
	}
}

static struct str take(struct str *rest, size_t n)
{
	struct str part = { rest->p, n };

	rest->p += n;
	rest->n -= n;
	return part;
}

static bool decode_body(struct str body, struct log_event *ret)
{
	struct str *parts[] = { &ret->type, &ret->level, &ret->producer, &ret->state };
	struct str rest = body;
	const char *lengths = body.p + 32;
	size_t data = (size_t)get(body.p + 36, 4), sum = FIXED + data;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		sum += (unsigned char)lengths[i];
	}
	if (sum != body.n) {
		return false;
	}
	ret->at.epoch = get(body.p, 8);
	ret->at.n = get(body.p + 8, 8);
	ret->ts_ms = (int64_t)get(body.p + 16, 8);
	ret->seq = get(body.p + 24, 8);
	(void)take(&rest, FIXED);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		*parts[i] = take(&rest, (unsigned char)lengths[i]);
	}
	ret->data = rest;
	return true;
}

bool journal_decode(struct str bytes, size_t *at, struct log_event *ret)
{
	struct log_event event = { .seq = 0 };
	struct str body;

	if (bytes.n < *at || bytes.n - *at < FRAME + FIXED) {
		return false;
	}
	body.p = bytes.p + *at + FRAME;
	body.n = (size_t)get(bytes.p + *at, 4);
	if (body.n < FIXED || body.n > BODY_MAX || body.n > bytes.n - *at - FRAME ||
	    get(bytes.p + *at + 4, 4) != checksum(body) || !decode_body(body, &event)) {
		return false;
	}
	*ret = event;
	*at += FRAME + body.n;
	return true;
}

/* ---- the file ---- */

static enum err_code disk_err(const struct journal *j, const char *what, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "journal %s: %s: %s", j->path, what, strerror(errno));
}

static bool write_all(int fd, struct str bytes, uint64_t at)
{
	while (bytes.n > 0) {
		ssize_t n = pwrite(fd, bytes.p, bytes.n, (off_t)at);

		if (n <= 0) {
			return false;
		}
		bytes.p += n;
		bytes.n -= (size_t)n;
		at += (uint64_t)n;
	}
	return true;
}

/* Bytes read from `at`, up to what room has. */
static size_t read_some(int fd, char *room, size_t size, uint64_t at)
{
	size_t got = 0;
	ssize_t n = 1;

	while (got < size && n > 0) {
		n = pread(fd, room + got, size - got, (off_t)(at + got));
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

static struct journal *make(const char *dir, const struct id *sid)
{
	struct journal *j = mem_calloc(1, sizeof(*j));

	j->fd = -1;
	(void)snprintf(j->path, sizeof(j->path), "%s/%s", dir, sid->s);
	buf_init(&j->record, FRAME + BODY_MAX);
	return j;
}

void journal_close(struct journal *j)
{
	if (j == NULL) {
		return;
	}
	if (j->fd >= 0) {
		(void)close(j->fd);
	}
	buf_fini(&j->record);
	free(j);
}

void journal_remove(const char *dir, const struct id *sid)
{
	char path[JOURNAL_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, sid->s);
	(void)unlink(path);
}

void journal_discard(struct journal *j)
{
	if (j != NULL) {
		(void)unlink(j->path);
		journal_close(j);
	}
}

static enum err_code write_header(struct journal *j, int fd, struct err *err)
{
	char header[HEADER_MAX + 1];
	int n = snprintf(header, sizeof(header), "%s%s\n", version_line, j->tenant);

	j->header = (uint64_t)n;
	return write_all(fd, str_make(header, (size_t)n), 0) ? ERR_OK : disk_err(j, "write", err);
}

enum err_code journal_create(const char *dir, const struct id *sid, const char *tenant,
                             struct journal **ret, struct err *err)
{
	struct journal *j = make(dir, sid);
	enum err_code code;

	if (!str_copy(j->tenant, sizeof(j->tenant), str_of(tenant))) {
		journal_close(j);
		return err_set(err, ERR_INVALID, "journal: the tenant's name is too long");
	}
	j->fd = open(j->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	code = j->fd >= 0 ? write_header(j, j->fd, err) : disk_err(j, "open", err);
	if (code != ERR_OK) {
		journal_close(j);
		return code;
	}
	j->size = j->header;
	*ret = j;
	return ERR_OK;
}

static bool read_header(struct journal *j)
{
	char header[HEADER_MAX];
	size_t n = read_some(j->fd, header, sizeof(header), 0);
	struct str rest = { header, n };
	const char *end;

	if (!str_starts(rest, STR_LIT("fairlead journal 1\n"))) {
		return false;
	}
	(void)take(&rest, sizeof(version_line) - 1);
	end = memchr(rest.p, '\n', rest.n);
	j->header = end != NULL ? (uint64_t)(end - header) + 1 : 0;
	return end != NULL &&
	       str_copy(j->tenant, sizeof(j->tenant), str_make(rest.p, (size_t)(end - rest.p)));
}

/* The record at an offset, into j->record (which must not be in use). False: none, or torn. */
static bool read_record(const struct journal *j, uint64_t at, struct buf *room,
                        struct log_event *ret, uint64_t *ret_next)
{
	char frame[FRAME];
	size_t want, pos = room->len, start = room->len;
	char *bytes;

	if (at >= j->size || read_some(j->fd, frame, sizeof(frame), at) != sizeof(frame)) {
		return false;
	}
	want = (size_t)get(frame, 4) + FRAME;
	if (want > FRAME + BODY_MAX || want > j->size - at) {
		return false;
	}
	bytes = buf_reserve(room, want);
	if (bytes == NULL || read_some(j->fd, bytes, want, at) != want) {
		return false;
	}
	buf_commit(room, want);
	if (!journal_decode(buf_str(room), &pos, ret)) {
		room->len = start;
		return false;
	}
	*ret_next = at + want;
	return true;
}

static void took(struct journal *j, const struct cursor *at)
{
	if (cursor_is_start(&j->last)) {
		j->base = at->n - 1;
	}
	j->last = *at;
}

static void find_end(struct journal *j)
{
	struct log_event event;
	uint64_t at = j->header, next;

	buf_reset(&j->record);
	while (read_record(j, at, &j->record, &event, &next) &&
	       (cursor_is_start(&j->last) || event.at.n == j->last.n + 1) && event.at.n > 0) {
		took(j, &event.at);
		at = next;
		buf_reset(&j->record);
	}
	j->size = at;
}

enum err_code journal_open(const char *dir, const struct id *sid, struct journal **ret,
                           struct err *err)
{
	struct journal *j = make(dir, sid);
	struct stat st;
	enum err_code code = ERR_OK;

	j->fd = open(j->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0 || fstat(j->fd, &st) != 0) {
		code = disk_err(j, "open", err);
	} else if (!read_header(j)) {
		code = err_set(err, ERR_INVALID, "journal %s: not of version 1", j->path);
	}
	if (code != ERR_OK) {
		journal_close(j);
		return code;
	}
	j->size = (uint64_t)st.st_size;
	find_end(j);
	if (ftruncate(j->fd, (off_t)j->size) != 0) {
		code = disk_err(j, "truncate", err);
		journal_close(j);
		return code;
	}
	*ret = j;
	return ERR_OK;
}

const char *journal_tenant(const struct journal *j)
{
	return j->tenant;
}

struct cursor journal_last(const struct journal *j)
{
	return j->last;
}

uint64_t journal_base(const struct journal *j)
{
	return j->base;
}

uint64_t journal_size(const struct journal *j)
{
	return j->size;
}

/* Between a large batch and the next there may be hours. */
static void drop_record(struct journal *j)
{
	if (j->record.size > RECORD_KEPT) {
		buf_fini(&j->record);
	} else {
		buf_reset(&j->record);
	}
}

enum err_code journal_add(struct journal *j, const struct log_event *event, struct err *err)
{
	if (!cursor_is_start(&j->last) && event->at.n != j->last.n + 1) {
		return err_set(err, ERR_SEQUENCE, "journal %s: an entry out of order", j->path);
	}
	buf_reset(&j->record);
	journal_encode(event, &j->record);
	if (buf_failed(&j->record)) {
		return err_set(err, ERR_TOO_LARGE, "journal %s: an entry beyond its bounds",
		               j->path);
	}
	if (!write_all(j->fd, buf_str(&j->record), j->size)) {
		return disk_err(j, "write", err);
	}
	j->size += j->record.len;
	drop_record(j);
	took(j, &event->at);
	return ERR_OK;
}

/* ---- trimming ---- */

static bool copy_from(const struct journal *j, uint64_t from, int to, uint64_t at)
{
	char *chunk = mem_calloc(1, COPY_CHUNK);
	bool ok = true;

	while (ok && from < j->size) {
		uint64_t left = j->size - from;
		size_t n = read_some(j->fd, chunk, left < COPY_CHUNK ? (size_t)left : COPY_CHUNK,
		                     from);

		ok = n > 0 && write_all(to, str_make(chunk, n), at);
		from += n;
		at += n;
	}
	free(chunk);
	return ok;
}

/* A new file beside it takes its place at once, so a crash leaves one of the two. */
static enum err_code keep_from(struct journal *j, uint64_t from, struct err *err)
{
	char path[JOURNAL_PATH_MAX + 8];
	enum err_code code;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.new", j->path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return disk_err(j, "open", err);
	}
	code = write_header(j, fd, err);
	if (code == ERR_OK && (!copy_from(j, from, fd, j->header) || rename(path, j->path) != 0)) {
		code = disk_err(j, "trim", err);
	}
	if (code != ERR_OK) {
		(void)close(fd);
		(void)unlink(path);
		return code;
	}
	(void)close(j->fd);
	j->fd = fd;
	j->size = j->header + (j->size - from);
	return ERR_OK;
}

enum err_code journal_trim(struct journal *j, uint64_t through, struct err *err)
{
	struct log_event event;
	uint64_t at = j->header, next = at;
	enum err_code code;

	if (cursor_is_start(&j->last) || through <= j->base) {
		return ERR_OK;
	}
	buf_reset(&j->record);
	while (read_record(j, at, &j->record, &event, &next) && event.at.n <= through) {
		at = next;
		buf_reset(&j->record);
	}
	code = keep_from(j, at, err);
	if (code == ERR_OK) {
		j->base = through;
		if (through >= j->last.n) {
			j->last = (struct cursor){ 0, 0 };
		}
	}
	return code;
}

/* ---- reading ---- */

void journal_page_init(struct journal_page *page)
{
	page->count = 0;
	page->at = 0;
	buf_init(&page->bytes, JOURNAL_PAGE_BYTES + FRAME + BODY_MAX);
}

void journal_page_fini(struct journal_page *page)
{
	buf_fini(&page->bytes);
	page->count = 0;
}

/* The events point into memory that moves while it grows: decode once all of it is there. */
static void point_into(struct journal_page *page)
{
	size_t at = 0;

	page->count = 0;
	while (page->count < LOG_RESTORE_MAX &&
	       journal_decode(buf_str(&page->bytes), &at, &page->events[page->count])) {
		page->count++;
	}
}

enum err_code journal_read(const struct journal *j, uint64_t after, struct journal_page *page,
                           struct err *err)
{
	uint64_t at = page->at != 0 ? page->at : j->header, next;
	size_t count = 0;

	buf_reset(&page->bytes);
	while (count < LOG_RESTORE_MAX && page->bytes.len < JOURNAL_PAGE_BYTES && at < j->size) {
		struct log_event event;
		size_t before = page->bytes.len;

		if (!read_record(j, at, &page->bytes, &event, &next)) {
			return err_set(err, ERR_UNAVAILABLE, "journal %s: damaged", j->path);
		}
		if (event.at.n <= after) {
			page->bytes.len = before;
		} else {
			count++;
		}
		at = next;
	}
	page->at = at;
	point_into(page);
	return ERR_OK;
}
