#include "tests/sim/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/redis.h"

enum {
	START_S = 1700006396, /* a day of UTC ends 4 s later: after the faults */
	FAULTS_MS = 2500,
	QUIET_MS = 150000, /* what was accepted is all looked at once a minute */
	MONO_S = 1000,
	LOOK_EVERY = 16,
	JOURNALS_MS = 1000, /* for workers to give back theirs */
	LOSSES_MAX = 2,
};

struct world *world;
static char last_failure[320];
static uint64_t direct;

static uint64_t mono_us(void)
{
	return (uint64_t)MONO_S * 1000000 + world->now_us;
}

static int64_t wall_us(void)
{
	return (int64_t)START_S * 1000000 + (int64_t)world->now_us;
}

uint64_t roll(uint64_t sides)
{
	return dice_roll(&world->dice, sides);
}

bool chance(unsigned one_in)
{
	return world->now_us < world->faults_end_us && roll(one_in) == 0;
}

void world_fail(const char *fmt, ...)
{
	va_list ap;

	if (world->failed) {
		return;
	}
	world->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(world->why, sizeof(world->why), fmt, ap);
	va_end(ap);
}

void world_tell(const char *fmt, ...)
{
	va_list ap;

	if (!world->trace) {
		return;
	}
	va_start(ap, fmt);
	(void)printf("%8.3f ", (double)world->now_us / 1000);
	(void)vprintf(fmt, ap);
	(void)printf("\n");
	va_end(ap);
}

/* ---- the heap of what is to come ---- */

static bool is_before(const struct happening *a, const struct happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->serial < b->serial;
}

static void put(size_t place, struct happening *happening)
{
	world->heap[place] = happening;
	happening->place = place;
}

static void sift(size_t place)
{
	struct happening *happening = world->heap[place];

	while (place > 1 && is_before(happening, world->heap[place / 2])) {
		put(place, world->heap[place / 2]);
		place /= 2;
	}
	for (;;) {
		size_t child = place * 2;

		if (child > world->heap_count) {
			break;
		}
		if (child < world->heap_count &&
		    is_before(world->heap[child + 1], world->heap[child])) {
			child++;
		}
		if (!is_before(world->heap[child], happening)) {
			break;
		}
		put(place, world->heap[child]);
		place = child;
	}
	put(place, happening);
}

void unplan(struct happening *happening)
{
	size_t place = happening->place;

	if (place == 0) {
		return;
	}
	happening->place = 0;
	if (place < world->heap_count) {
		put(place, world->heap[world->heap_count--]);
		sift(place);
	} else {
		world->heap_count--;
	}
}

void plan(struct happening *happening, uint64_t at_us)
{
	unplan(happening);
	happening->at_us = at_us > world->now_us ? at_us : world->now_us;
	happening->serial = ++world->serial;
	if (world->heap_count + 2 > world->heap_room) {
		world->heap_room = world->heap_room * 2 + 64;
		world->heap =
			mem_realloc(world->heap, world->heap_room * sizeof(struct happening *));
	}
	put(++world->heap_count, happening);
	sift(world->heap_count);
}

/* ---- players ---- */

struct player *player_of(const void *connection)
{
	return (struct player *)(uintptr_t)connection;
}

struct player *player_current(void)
{
	const struct fiber *fiber = fiber_current();

	for (size_t i = 0; i < world->player_count; i++) {
		for (size_t k = 0; k < world->players[i].fiber_count; k++) {
			if (world->players[i].fibers[k] == fiber) {
				return &world->players[i];
			}
		}
	}
	return NULL;
}

struct errand {
	struct player *player;
	fiber_fn *fn;
	void *arg;
};

static void run_errand(void *arg)
{
	struct errand *errand = arg;
	struct player *player = errand->player;

	if (!player->dead) {
		errand->fn(errand->arg);
	}
	for (size_t i = 0; i < player->fiber_count; i++) {
		if (player->fibers[i] == fiber_current()) {
			player->fibers[i] = player->fibers[--player->fiber_count];
			break;
		}
	}
	free(errand);
}

struct fiber *player_spawn(struct player *player, const char *name, fiber_fn *fn, void *arg)
{
	struct errand *errand = mem_calloc(1, sizeof(*errand));
	struct fiber *fiber;

	*errand = (struct errand){ player, fn, arg };
	fiber = fiber_start(world->loop, &player->group, name, run_errand, errand);
	assert(player->fiber_count < PLAYER_FIBERS_MAX);
	player->fibers[player->fiber_count++] = fiber;
	world->woken = true;
	return fiber;
}

static void start(struct player *player)
{
	switch (player->kind) {
	case PLAYER_CLIENT: client_start(player); break;
	case PLAYER_SCHEDULER: scheduler_start(player); break;
	case PLAYER_WORKER: worker_start(player); break;
	}
}

static void on_back(struct happening *happening)
{
	struct player *player = CONTAINER_OF(happening, struct player, back);

	if (world->over) {
		return;
	}
	if (player->group.count > 0) { /* its last fibers have not noticed yet */
		plan(happening, world->now_us + 1000);
		world->woken = true;
		return;
	}
	world_tell("%u is back", player->number);
	player->dead = false;
	player->frozen_until = player->cut_until = 0;
	player->fault_us =
		world->now_us + (world->generation > 1 ? JOURNALS_MS * UINT64_C(1000) : 0);
	player->connection++;
	player->node.store.generation = world->generation;
	player->node.store.since = world->generation; /* each loss is a whole one */
	start(player);
}

void player_ails(struct player *player, uint64_t until_us)
{
	player->fault_us = until_us > player->fault_us ? until_us : player->fault_us;
}

/* As kill -9: nothing of it reaches anybody any more, but what it has sent. */
void player_kill(struct player *player)
{
	player->dead = true;
	player_ails(player, world->now_us);
	fiber_group_cancel(&player->group, ERR_CANCELLED);
	world->woken = true;
}

static void on_learns(struct happening *happening)
{
	struct player *player = CONTAINER_OF(happening, struct player, learns);

	if (player->frozen_until > world->now_us && !world->over) {
		plan(happening, player->frozen_until);
		return;
	}
	player->node.store.generation = world->generation;
	player->node.store.since = world->generation; /* each loss is a whole one */
	player->app.connection = player->connection;
	player->app.restore_due = clock_mono_ms() + JOURNALS_MS;
	player->app.admit_all = true;
	player_ails(player, world->now_us + JOURNALS_MS * UINT64_C(1000));
	if (player->kind == PLAYER_WORKER && !player->dead) {
		worker_ring(player);
	}
}

struct record *record_of(const struct id *sid)
{
	for (size_t i = 0; i < world->shape.sessions; i++) {
		if (id_eq(&world->records[i].sid, sid)) {
			return &world->records[i];
		}
	}
	return NULL;
}

/* ---- faults ---- */

static void freeze(struct player *player, uint64_t until_us)
{
	world_tell("%u freezes", player->number);
	player->holds_back = roll(2) == 0;
	player->frozen_until = until_us;
	player_ails(player, until_us);
}

/* Whose log is opened again before it gives back its journal has worked for nothing. */
static void freeze_a_worker(void)
{
	struct player *player = &world->players[roll(world->player_count)];

	if (player->kind == PLAYER_WORKER && !player->dead) {
		freeze(player, world->now_us + 1000000 + roll(2500000));
	}
}

static void lose_redis(void)
{
	if (world->generation > LOSSES_MAX) {
		return;
	}
	world_tell("Redis has lost everything");
	model_flush(world->model);
	world->generation++;
	world->broken_us = world->now_us;
	if (chance(2)) {
		freeze_a_worker();
	}
	check_forget();
	doors_break();
	for (size_t i = 0; i < world->player_count; i++) {
		struct player *player = &world->players[i];

		player->connection++;
		plan(&player->learns, world->now_us + 1000 + roll(150000));
	}
}

static void on_loss(struct happening *happening)
{
	(void)happening;
	if (!world->over) {
		lose_redis();
	}
}

void world_lose_opener(struct player *player)
{
	world_tell("%u dies", player->number);
	player_kill(player);
	plan(&player->back, world->now_us + 20000 + roll(1200000));
	plan(&world->loss, world->now_us + roll(2000));
}

static void on_fault(struct happening *happening)
{
	struct player *player = &world->players[roll(world->player_count)];
	uint64_t now = world->now_us;

	if (now >= world->faults_end_us || world->over) {
		return;
	}
	plan(happening, now + 20000 + roll(500000));
	switch (roll(world->shape.loses_redis ? 7 : 6)) {
	case 0:
	case 1:
		if (!player->dead) {
			world_tell("%u dies", player->number);
			player_kill(player);
			plan(&player->back, now + 20000 + roll(1200000));
		}
		break;
	case 2:
	case 3: freeze(player, now + 50000 + roll(3200000)); break;
	case 4:
		world_tell("%u is cut off", player->number);
		player->cut_until = now + 50000 + roll(2200000);
		player_ails(player, player->cut_until);
		break;
	case 5:
		world_tell("Redis stalls");
		now += 20000 + roll(2500000);
		if (now > world->stalled_until) {
			world->stalled_until = now;
		}
		break;
	default: lose_redis(); break;
	}
}

/* ---- a run ---- */

static void draw_shape(struct shape *shape)
{
	*shape = (struct shape){ .sessions = 2 + (unsigned)roll(4),
		                 .schedulers = 1 + (unsigned)roll(2),
		                 .hosts = 1 + (unsigned)roll(2),
		                 .slots = 1 + (unsigned)roll(2),
		                 .tenants = 1 + (unsigned)roll(2),
		                 .loses_redis = roll(4) == 0 };
	if (roll(32) == 0) {
		*shape = (struct shape){ .sessions = 24,
			                 .schedulers = 1,
			                 .hosts = 1,
			                 .slots = 1,
			                 .tenants = TENANTS_MAX,
			                 .fair = true };
	}
	shape->offers = roll(4) > 0;
	if (shape->offers && !shape->fair && roll(4) == 0) { /* some come when others are parked */
		shape->sessions += 6;
		shape->hosts = 1;
	}
}

static struct player *add_player(enum player_kind kind)
{
	struct player *player = &world->players[world->player_count];

	player->world = world;
	player->kind = kind;
	player->number = (unsigned)world->player_count++;
	player->back.run = on_back;
	player->learns.run = on_learns;
	player->node.loop = world->loop;
	player->node.redis = (struct redis *)player;
	player->node.pg = (struct pg *)player;
	player->node.store = (struct log_store){ .redis = player->node.redis,
		                                 .generation = world->generation,
		                                 .since = world->generation,
		                                 .server = 1,
		                                 .unarchived_max = 16 * 1024 * 1024 };
	player->slots = world->shape.slots;
	return player;
}

static void draw_records(void)
{
	static const char *const tenants[] = { "acme", "brown", "cello" };

	for (unsigned i = 0; i < world->shape.sessions; i++) {
		struct record *record = &world->records[i];
		unsigned char entropy[10] = { (unsigned char)i };

		record->sid = id_make((uint64_t)START_S * 1000, entropy);
		record->tenant =
			tenants[world->shape.fair ? i % TENANTS_MAX : roll(world->shape.tenants)];
		(void)snprintf(record->user, sizeof(record->user), "u%u", (unsigned)roll(2));
		if (!world->shape.fair && roll(3) == 0) {
			(void)snprintf(record->key, sizeof(record->key), "k%u", (unsigned)roll(2));
		}
		queue_name_of(str_of(record->user), record->user_name);
		queue_name_of(str_of(record->key), record->key_name);
		if (!world->shape.fair) {
			if (roll(2) == 0) {
				(void)str_copy(record->project, sizeof(record->project),
				               STR_LIT("p0"));
			}
			record->priority = (unsigned)roll(3);
			record->not_before_ms =
				roll(6) == 0 ? (uint64_t)START_S * 1000 + roll(1500) : 0;
		}
	}
}

/* In the order of rows. */
static void draw_budgets(void)
{
	static const struct spent all[SPENT_MAX] = {
		{ "acme", BUDGET_PROJECT, "p0", BUDGET_TOTAL, BUDGET_BELOW, "" },
		{ "acme", BUDGET_TENANT, "", BUDGET_DAY, BUDGET_BELOW, "" },
		{ "acme", BUDGET_TENANT, "", BUDGET_TOTAL, BUDGET_BELOW, "" },
		{ "acme", BUDGET_USER, "u0", BUDGET_DAY, BUDGET_BELOW, "" },
		{ "brown", BUDGET_PROJECT, "p0", BUDGET_DAY, BUDGET_BELOW, "" },
		{ "brown", BUDGET_USER, "u1", BUDGET_TOTAL, BUDGET_BELOW, "" },
	};

	memcpy(world->spent, all, sizeof(all));
	world->spent_count = !world->shape.fair && roll(2) == 0 ? SPENT_MAX : 0;
}

static void begin(uint64_t seed)
{
	world->dice.state = seed;
	world->generation = 1;
	draw_shape(&world->shape);
	world->faults_end_us = world->shape.fair ? 0 : FAULTS_MS * 1000;
	draw_records();
	draw_budgets();
	(void)add_player(PLAYER_CLIENT);
	for (unsigned i = 0; i < world->shape.schedulers; i++) {
		(void)add_player(PLAYER_SCHEDULER);
	}
	for (unsigned i = 0; i < world->shape.hosts; i++) {
		(void)add_player(PLAYER_WORKER);
	}
	for (size_t i = 0; i < world->player_count; i++) {
		start(&world->players[i]);
	}
	world->fault.run = on_fault;
	world->loss.run = on_loss;
	plan(&world->fault, 20000 + roll(600000));
}

static void end(void)
{
	world->over = true;
	for (size_t i = 0; i < world->player_count; i++) {
		player_kill(&world->players[i]);
	}
	for (size_t i = 0; i < world->player_count; i++) {
		(void)!fiber_group_wait(&world->players[i].group, FIBER_NO_TIMEOUT);
	}
	while (world->heap_count > 0) { /* commands that nobody waits for any more */
		struct happening *first = world->heap[1];

		world->now_us = first->at_us > world->now_us ? first->at_us : world->now_us;
		unplan(first);
		first->run(first);
	}
}

static void settle(void)
{
	while (world->woken) {
		world->woken = false;
		(void)!fiber_yield();
	}
}

static void play(void)
{
	const uint64_t last_us = (FAULTS_MS + QUIET_MS) * UINT64_C(1000);
	unsigned turns = 0;

	settle();
	while (!world->failed && world->heap_count > 0) {
		struct happening *first = world->heap[1];

		if (first->at_us > last_us) {
			world_fail("not every session has ended long after the faults");
			break;
		}
		world->now_us = first->at_us;
		unplan(first);
		first->run(first);
		settle();
		if (++turns % LOOK_EVERY == 0 && check_all_done()) {
			break;
		}
	}
}

const char *world_last_failure(void)
{
	return last_failure;
}

uint64_t world_direct(void)
{
	return direct;
}

bool world_run(struct loop *loop, uint64_t seed, enum bug bug, bool trace)
{
	static struct model *model;
	struct world *w = mem_calloc(1, sizeof(*w));
	bool failed;

	if (model == NULL) {
		model = model_new((int64_t)START_S * 1000);
		model_on_publish(model, doors_publish, NULL);
	}
	world = w;
	w->seed = seed;
	w->bug = bug;
	w->trace = trace;
	w->loop = loop;
	w->model = model;
	model_flush(model);
	model_set_now(model, (int64_t)START_S * 1000);
	clock_replace(mono_us, wall_us);
	begin(seed);
	play();
	failed = w->failed;
	if (failed) {
		(void)snprintf(last_failure, sizeof(last_failure), "at %" PRIu64 " ms: %s",
		               w->now_us / 1000, w->why);
	}
	direct += w->direct;
	end();
	clock_replace(NULL, NULL);
	free(w->heap);
	free(w);
	world = NULL;
	return !failed;
}
