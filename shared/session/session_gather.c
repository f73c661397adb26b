#include "session/session_gather.h"

#include <string.h>

#include "loop/fiber.h"

enum {
	READS_MAX = 2, /* of a tenant under way: one that is answered, one that is run */
	TURN_MS = 100, /* those may be stuck: who has waited for so long goes all the same */
};

struct asked {
	TAILQ_ENTRY(asked) link;
	struct session_read *read; /* that it goes along with; NULL: it was answered */
	const struct id *id;
	struct arena *arena;
	struct session *ret;
	struct fiber_op op;
};

/* Lives on the stack of who asked first, and is run by it. */
struct session_read {
	TAILQ_ENTRY(session_read) link;
	const char *tenant;
	TAILQ_HEAD(asked_list, asked) asked; /* the others */
	size_t count;                        /* with the first */
	bool waits;                          /* for its turn */
	struct fiber_op turn;
};

void session_gather_init(struct session_gather *gather, struct pg *pg)
{
	gather->pg = pg;
	TAILQ_INIT(&gather->reads);
}

static bool takes_more(const struct session_read *read)
{
	return read->waits && read->count < SESSION_LOOK_MAX;
}

/* ---- going along ---- */

static void leave(struct asked *asked)
{
	TAILQ_REMOVE(&asked->read->asked, asked, link);
	asked->read->count--;
}

static void abandon(struct fiber_op *op)
{
	leave(CONTAINER_OF(op, struct asked, op));
}

static enum err_code go_along(struct session_read *read, struct asked *asked, struct err *err)
{
	asked->read = read;
	TAILQ_INSERT_TAIL(&read->asked, asked, link);
	read->count++;
	fiber_op_begin(&asked->op, abandon);
	return fiber_wait(&asked->op, FIBER_NO_TIMEOUT, err);
}

/* ---- going first ---- */

/* Whose turn it is when one more of the tenant may run: the oldest that waits. NULL: nobody's. */
static struct session_read *next_of(const struct session_gather *gather, const char *tenant)
{
	struct session_read *read, *next = NULL;
	unsigned running = 0;

	TAILQ_FOREACH (read, &gather->reads, link) {
		if (strcmp(read->tenant, tenant) == 0) {
			next = next == NULL && read->waits ? read : next;
			running += read->waits ? 0 : 1;
		}
	}
	return running < READS_MAX ? next : NULL;
}

static void let_next(const struct session_gather *gather, const char *tenant)
{
	struct session_read *read = next_of(gather, tenant);

	if (read != NULL) {
		read->waits = false;
		fiber_op_done(&read->turn, NULL);
	}
}

static void give_up_turn(struct fiber_op *op)
{
	CONTAINER_OF(op, struct session_read, turn)->waits = false;
}

/* Others may come along meanwhile. */
static void wait_turn(const struct session_gather *gather, struct session_read *read)
{
	if (next_of(gather, read->tenant) == read) {
		read->waits = false;
		return;
	}
	fiber_op_begin(&read->turn, give_up_turn);
	(void)!fiber_wait(&read->turn, TURN_MS, NULL);
}

static enum err_code run(const struct session_gather *gather, const struct session_read *read,
                         const struct id *first, struct pg_rows **ret, struct err *err)
{
	const struct id *ids[SESSION_LOOK_MAX];
	const struct asked *asked;
	size_t count = 0;

	ids[count++] = first;
	TAILQ_FOREACH (asked, &read->asked, link) {
		ids[count++] = asked->id;
	}
	return session_look(gather->pg, read->tenant, ids, count, ret, err);
}

static void answer_others(struct session_read *read, const struct pg_rows *rows,
                          const struct err *failed)
{
	struct asked *asked;
	struct err err;

	while ((asked = TAILQ_FIRST(&read->asked)) != NULL) {
		leave(asked);
		if (failed != NULL) {
			fiber_op_done(&asked->op, failed);
		} else if (session_take(rows, asked->id, asked->arena, asked->ret, &err) !=
		           ERR_OK) {
			fiber_op_done(&asked->op, &err);
		} else {
			fiber_op_done(&asked->op, NULL);
		}
	}
}

/* With whoever comes until it is its turn. Not cancelled meanwhile: others rely on it. */
static enum err_code go_first(struct session_gather *gather, const char *tenant,
                              struct asked *asked, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct session_read read = { .tenant = tenant, .count = 1, .waits = true };
	enum err_code code;

	TAILQ_INIT(&read.asked);
	TAILQ_INSERT_TAIL(&gather->reads, &read, link);
	fiber_shield();
	wait_turn(gather, &read);
	code = run(gather, &read, asked->id, &rows, err);
	TAILQ_REMOVE(&gather->reads, &read, link);
	answer_others(&read, rows, code == ERR_OK ? NULL : err);
	let_next(gather, tenant);
	fiber_unshield();
	return code == ERR_OK ? session_take(rows, asked->id, asked->arena, asked->ret, err) : code;
}

enum err_code session_gather_get(struct session_gather *gather, const char *tenant,
                                 const struct id *id, struct arena *arena, struct session *ret,
                                 struct err *err)
{
	struct asked asked = { .id = id, .arena = arena, .ret = ret };
	struct session_read *read;

	TAILQ_FOREACH (read, &gather->reads, link) {
		if (takes_more(read) && strcmp(read->tenant, tenant) == 0) {
			return go_along(read, &asked, err);
		}
	}
	return go_first(gather, tenant, &asked, err);
}
