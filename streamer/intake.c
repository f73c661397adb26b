#include "streamer/intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "streamer/squeeze.h"

enum { PADDING = 512 };

_Static_assert(SQUEEZE_PIECE_MAX + 2 * GZIP_BLOCK_MAX <= RECORD_RAW_MAX,
               "half a piece, a block filled, and an end");

struct intake *intake_new(enum intake_kind kind)
{
	size_t gzip = kind == INTAKE_GZIP ? sizeof(struct gzip) : 0;
	struct intake *intake = mem_calloc(1, sizeof(*intake) + gzip);

	intake->kind = kind;
	buf_init(&intake->raw, RECORD_RAW_MAX);
	if (kind == INTAKE_GZIP) {
		buf_add_str(&intake->raw, gzip_head());
	}
	return intake;
}

struct intake *intake_of(const struct record_gzip *record)
{
	struct intake *intake = intake_new(INTAKE_GZIP);

	buf_reset(&intake->raw);
	buf_add_str(&intake->raw, record->raw);
	intake->is_over = record->is_over;
	intake->gzip[0] =
		(struct gzip){ .own = record->sum, .open = record->open, .head = record->head };
	return intake;
}

struct record_gzip intake_record(const struct intake *intake)
{
	struct record_gzip record = {
		.is_it = true,
		.is_over = intake->is_over,
		.raw = intake->raw.len > 0 ? buf_str(&intake->raw) : STR_LIT(""),
	};

	if (intake->kind == INTAKE_GZIP) {
		record.sum = gzip_sum(intake->gzip);
		record.open = intake->gzip->open;
		record.head = intake->gzip->head;
	}
	return record;
}

void intake_free(struct intake *intake)
{
	if (intake != NULL) {
		buf_fini(&intake->raw);
		free(intake);
	}
}

bool intake_flush(struct intake *intake, bool *ret_dead)
{
	struct buf *raw = &intake->raw;
	struct iovec iov = { raw->data, raw->len };
	ssize_t n;

	*ret_dead = false;
	if (raw->len == 0) {
		return true;
	}
	n = intake->write(intake->conn, &iov, 1);
	if (n < 0) {
		*ret_dead = true;
		return false;
	}
	buf_drop(raw, (size_t)n);
	if (raw->len > 0) {
		return false;
	}
	buf_fini(raw); /* most of the time there is nothing */
	return true;
}

/* ---- bytes of its own ---- */

static size_t total(const struct iovec *iov, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++) {
		n += iov[i].iov_len;
	}
	return n;
}

/* One block's worth. */
static ssize_t write_block(struct intake *intake, const struct iovec *in, int count, bool *ret_full)
{
	char head[GZIP_BLOCK_HEAD];
	struct iovec iov[PLAN_PIECES + 1];
	int pieces = gzip_plan(intake->gzip, in, count, head, iov);
	ssize_t n = intake->write(intake->conn, iov, pieces);

	*ret_full = n >= 0 && (size_t)n < total(iov, pieces);
	return n < 0 ? -1 : (ssize_t)gzip_advance(intake->gzip, in, count, (size_t)n);
}

/* Without the first bytes. */
static int drop(struct iovec *iov, int count, size_t bytes)
{
	int from = 0, left = 0;

	for (; from < count && bytes >= iov[from].iov_len; from++) {
		bytes -= iov[from].iov_len;
	}
	for (; from < count; from++, left++) {
		iov[left] = (struct iovec){ (char *)iov[from].iov_base + bytes,
			                    iov[from].iov_len - bytes };
		bytes = 0;
	}
	return left;
}

static ssize_t write_blocks(struct intake *intake, const struct iovec *in, int count)
{
	struct iovec rest[PLAN_PIECES];
	size_t taken = 0;
	bool full = false;

	assert(count <= PLAN_PIECES);
	for (int i = 0; i < count; i++) {
		rest[i] = in[i];
	}
	while (count > 0 && !full) {
		ssize_t n = write_block(intake, rest, count, &full);

		if (n < 0) {
			return -1;
		}
		taken += (size_t)n;
		count = drop(rest, count, (size_t)n);
	}
	return (ssize_t)taken;
}

ssize_t intake_writev(struct intake *intake, const struct iovec *iov, int count)
{
	bool dead;

	if (!intake_flush(intake, &dead)) {
		return dead ? -1 : 0;
	}
	if (intake->is_over) { /* behind the end nobody reads */
		return (ssize_t)total(iov, count);
	}
	if (intake->kind == INTAKE_MESSAGES) {
		return intake->write(intake->conn, iov, count);
	}
	intake->last = 0;
	return write_blocks(intake, iov, count);
}

/* ---- shared pieces ---- */

/* Lines without a field between two events say nothing (WHATWG HTML, section 9.2.6). */
static void fill_block(struct intake *intake)
{
	while (gzip_open(intake->gzip) > 0) {
		char blank[PADDING], head[GZIP_BLOCK_HEAD];
		size_t open = gzip_open(intake->gzip), bytes;
		struct iovec in = { blank, open < sizeof(blank) ? open : sizeof(blank) }, iov[2];
		int count;

		memset(blank, '\n', sizeof(blank));
		count = gzip_plan(intake->gzip, &in, 1, head, iov);
		for (int i = 0; i < count; i++) {
			buf_add(&intake->raw, iov[i].iov_base, iov[i].iov_len);
		}
		bytes = total(iov, count);
		(void)gzip_advance(intake->gzip, &in, 1, bytes);
	}
}

static void took(struct intake *intake, const struct squeeze_step *step)
{
	if (step->newest == NULL) {
		return;
	}
	intake->last = step->newest->id;
	if (intake->kind == INTAKE_GZIP) {
		gzip_share(intake->gzip, &step->first->before, &step->newest->after);
	}
	for (int i = 0; i < step->rest_count; i++) {
		buf_add(&intake->raw, step->rest[i].iov_base, step->rest[i].iov_len);
	}
}

enum intake_share intake_share(struct intake *intake, struct position *position,
                               uint64_t *ret_events)
{
	struct squeeze *squeeze = intake->squeeze;
	struct squeeze_step step;
	struct plan plan;
	bool dead;
	ssize_t n;

	assert(position->sent == 0);
	if (squeeze == NULL) {
		return INTAKE_NONE;
	}
	squeeze_plan(squeeze, intake->last, &position->at, &plan);
	if (plan.count == 0) {
		squeeze->is_missed = true;
		return INTAKE_NONE;
	}
	if (intake->kind == INTAKE_GZIP) {
		fill_block(intake);
	}
	if (!intake_flush(intake, &dead)) {
		return dead ? INTAKE_DEAD : INTAKE_FULL;
	}
	n = intake->write(intake->conn, plan.iov, plan.count);
	if (n < 0) {
		return INTAKE_DEAD;
	}
	squeeze_advance(squeeze, position, (size_t)n, &step);
	took(intake, &step);
	*ret_events = step.events;
	return (size_t)n < plan.bytes ? INTAKE_FULL : INTAKE_SENT;
}

void intake_await(const struct intake *intake)
{
	struct squeeze *squeeze = intake->squeeze;

	if (squeeze != NULL && intake->last != squeeze->last) {
		squeeze->is_missed = true;
	}
}

void intake_finish(struct intake *intake)
{
	char tail[GZIP_TAIL];

	if (intake->is_over || intake->kind != INTAKE_GZIP) {
		return;
	}
	intake->is_over = true;
	fill_block(intake);
	gzip_tail(intake->gzip, tail);
	buf_add(&intake->raw, tail, sizeof(tail));
}
