/* Any bytes as what who offers is told of a session that was taken, and as the copy of its row:
 * what is accepted is written again and read as the same. */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/offer.h"
#include "session/session_copy.h"
#include "session/session_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* ---- the copy ---- */

/* From memory that is gone afterwards: what was read may not point there. */
static bool read_row(struct str text, struct arena *arena, struct session *ret)
{
	char *gone = malloc(text.n > 0 ? text.n : 1);
	bool is_copy;

	must(gone != NULL);
	if (text.n > 0) {
		memcpy(gone, text.p, text.n);
	}
	is_copy = session_copy_read(str_make(gone, text.n), arena, ret);
	free(gone);
	return is_copy;
}

static void check_text(struct str a, struct str b)
{
	must(str_eq(a, b) && a.p[a.n] == '\0' && b.p[b.n] == '\0');
}

static void check_rows(const struct session *a, const struct session *b)
{
	must(id_eq(&a->id, &b->id) && id_eq(&a->task, &b->task) &&
	     a->max_attempts == b->max_attempts);
	must(!id_is_nil(&a->id) && !id_is_nil(&a->task));
	must(a->state == SESSION_QUEUED && a->started_us == 0 && a->failures == 0);
	check_text(a->tenant, b->tenant);
	check_text(a->project, b->project);
	check_text(a->owner, b->owner);
	check_text(a->agent, b->agent);
	check_text(a->prompt, b->prompt);
	check_text(a->repo, b->repo);
	check_text(a->runtime, b->runtime);
	check_text(a->delivery, b->delivery);
	check_text(a->traceparent, b->traceparent);
}

/* Zeros before a number and small letters of an id are read, and not written: of a text without
 * them it is the same. */
static void check_written(struct str text, const struct session *row, struct str written,
                          struct arena *arena)
{
	struct session again;

	must(written.n <= text.n && written.n <= SESSION_COPY_MAX);
	must(written.n < text.n || str_eq_nocase(written, text));
	must(read_row(written, arena, &again));
	check_rows(row, &again);
	must(str_eq(session_copy_write(&again, arena), written));
}

/* Neither what is left of it nor what has more behind it is a copy, too. */
static void check_ends(struct str text, struct arena *arena)
{
	struct session other;
	struct buf more;

	buf_init(&more, SIZE_MAX / 2);
	buf_add_str(&more, text);
	must(!read_row(str_make(text.p, text.n - 1), arena, &other));
	buf_add_str(&more, STR_LIT(":"));
	must(!read_row(buf_str(&more), arena, &other));
	buf_fini(&more);
}

static void check_copy(struct str text)
{
	struct arena *arena = arena_new();
	struct session row;

	if (read_row(text, arena, &row)) {
		struct str written = session_copy_write(&row, arena);
		bool whole =
			row.agent.n > 0 && row.prompt.n > 0 && row.repo.n > 0 && row.runtime.n > 0;

		check_rows(&row, &row);
		check_ends(text, arena);
		if (written.n > 0) {
			must(whole);
			check_written(text, &row, written, arena);
		} else {
			must(!whole || text.n > SESSION_COPY_MAX);
		}
	}
	arena_free(arena);
}

/* ---- the ring ---- */

static void check_name(const char *name, size_t size)
{
	must(memchr(name, '\0', size) != NULL);
}

static void check_item(const struct queue_item *item)
{
	must(item->claimed == QUEUE_CLAIMED_NEW && item->set == QUEUE_LEASING);
	must(!id_is_nil(&item->sid) && item->priority <= QUEUE_PRIORITY_MAX);
	must(item->queued_ms >= 0 && item->since_ms == item->queued_ms);
	check_name(item->tenant, sizeof(item->tenant));
	check_name(item->user, sizeof(item->user));
	check_name(item->incarnation, sizeof(item->incarnation));
	must(item->incarnation[0] != '\0');
}

static void check_same(const struct queue_taken *a, const struct queue_taken *b)
{
	must(id_eq(&a->item.sid, &b->item.sid) && a->item.priority == b->item.priority);
	must(a->item.attempt == b->item.attempt && a->item.epoch == b->item.epoch);
	must(a->item.queued_ms == b->item.queued_ms);
	must(strcmp(a->item.tenant, b->item.tenant) == 0);
	must(strcmp(a->item.user, b->item.user) == 0);
	must(strcmp(a->item.incarnation, b->item.incarnation) == 0);
	must(str_eq(a->holder, b->holder) && str_eq(a->copy, b->copy));
}

/* As the script that rings says it. */
static void ring(const struct queue_taken *taken, struct buf *out)
{
	const struct queue_item *item = &taken->item;

	buf_add_str(out, STR_LIT("taken "));
	buf_add_str(out, taken->holder);
	buf_addf(out, " %s %s %s %u %" PRIu64 " %" PRId64 " %" PRIu64 " %s ", item->sid.s,
	         item->tenant, item->user, item->priority, item->attempt, item->queued_ms,
	         item->epoch, item->incarnation);
	buf_add_str(out, taken->copy);
}

static void check_ring(struct str payload)
{
	struct queue_taken taken, again;
	struct buf out;

	if (!queue_taken_read(payload, &taken)) {
		return;
	}
	check_item(&taken.item);
	must(taken.holder.p > payload.p && taken.holder.p + taken.holder.n < taken.copy.p);
	must(taken.copy.p + taken.copy.n == payload.p + payload.n);
	buf_init(&out, SIZE_MAX / 2);
	ring(&taken, &out);
	must(!buf_failed(&out) && queue_taken_read(buf_str(&out), &again));
	check_same(&taken, &again);
	must(out.len < payload.n || str_eq_nocase(buf_str(&out), payload)); /* as of copies */
	buf_fini(&out);
	check_copy(taken.copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);

	check_ring(text);
	check_copy(text);
	return 0;
}
