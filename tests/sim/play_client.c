/* Clients: they submit by the API's own calls, cancel, and change limits; any of it may stop half
 * way. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "event/segment.h"
#include "queue/queue_limit.h"
#include "steer/notify.h"
#include "steer/publish.h"
#include "tests/sim/world.h"

/* Where many come at once so many come one by one before, while nobody waits. */
enum { ALONE = 8 };

/* As POST /tasks does; some need nothing of a worker. */
static void publish(struct player *player, struct record *record)
{
	struct arena *arena = arena_new();
	struct session row = row_of(record);
	struct steer_publication publication;
	struct err err;

	steer_publication_of(&row, arena, &publication);
	if (roll(2) == 0) {
		publication.needs = "";
	}
	if (steer_publish(&player->node.store, player->node.pg, &publication, true, &err) ==
	    ERR_OK) {
		(void)!session_mark_queued(player->node.pg, record->tenant, &record->sid, 1, &err);
	}
	arena_free(arena);
}

static void accept_one(struct player *player, struct record *record)
{
	unsigned char entropy[10] = { 0 };
	struct err err;

	if (pg_door(player->node.pg, &err) != ERR_OK || record->committed) {
		return;
	}
	entropy[0] = (unsigned char)(record - world->records);
	record->sid = id_make((uint64_t)(clock_wall_us() / 1000), entropy);
	record->committed = true;
	record->accepted_us = world->now_us;
	record->epoch = 1;
	record->generation = player->node.store.generation;
	world_tell("accepted %s", record->sid.s);
	if (!chance(5)) { /* else the API ends here */
		publish(player, record);
	}
}

static void cancel(struct player *player, struct record *record)
{
	const struct queue queue = steer_queue(player->node.redis, record->tenant);
	const struct log_open opening = { .sid = record->sid,
		                          .tenant = record->tenant,
		                          .how = LOG_RAISE,
		                          .cause = "cancel",
		                          .token = "cancel-1",
		                          .moves = true,
		                          .to = SESSION_CANCELLED };
	struct log_epoch epoch = { .sid = record->sid,
		                   .tenant = record->tenant,
		                   .cause = "cancel",
		                   .generation = player->node.store.generation };
	const struct queue_move done = { .sid = record->sid };
	struct log_result result;
	enum queue_set set;
	struct err err;
	enum err_code code = log_open(&player->node.store, &opening, &result, &err);

	if (code == ERR_OK && result.outcome == LOG_OK) {
		world_tell("cancelled %s", record->sid.s);
		epoch.first = result.first;
		code = log_epoch_store(player->node.pg, &epoch, &err);
	}
	if (code == ERR_OK && (result.outcome == LOG_OK || result.outcome == LOG_ENDED) &&
	    !chance(4)) {
		(void)!queue_finish(&queue, &done, &set, &err);
	}
}

/* As POST /events does: in whatever epoch, while the session lives. */
static void say(struct player *player, const struct record *record)
{
	const struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{\"text\":\"a client\"}") };
	const struct log_batch batch = {
		.sid = record->sid, .tenant = record->tenant, .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;

	(void)!log_append(&player->node.store, &batch, &result, &err);
}

static bool all_accepted(void)
{
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		if (!world->records[i].committed) {
			return false;
		}
	}
	return true;
}

static void submit_all(void *arg)
{
	struct player *player = arg;
	uint64_t apart = world->shape.offers && roll(2) == 0 ? 700 : 250;

	while (!fiber_cancelled() && !all_accepted()) {
		for (unsigned i = 0; i < world->shape.sessions && !fiber_cancelled(); i++) {
			struct record *record = &world->records[i];

			if (record->committed) {
				continue;
			}
			if (!world->shape.fair) {
				(void)fiber_sleep(roll(apart));
			} else if (world->shape.offers && i < ALONE) {
				(void)fiber_sleep(100 + roll(300));
			}
			accept_one(player, record);
		}
	}
	while (!fiber_cancelled() && world->now_us < world->faults_end_us) {
		struct record *record = &world->records[roll(world->shape.sessions)];

		(void)fiber_sleep(200 + roll(900));
		if (record->committed && roll(2) == 0) {
			say(player, record);
		} else if (record->committed && chance(3)) {
			cancel(player, record);
		}
	}
}

/* Limits are facts of PostgreSQL: after a loss of Redis they are told again. */
static void set_limits(void *arg)
{
	struct player *player = arg;
	const struct queue queue = queue_at(player->node.redis, 0);
	const bool kinds = roll(2) == 0; /* those of projects and types of agents, too */
	uint64_t told = 0;

	while (!fiber_cancelled()) {
		char users[2][QUEUE_NAME_MAX + 1];

		queue_name_of(STR_LIT("u0"), users[0]);
		queue_name_of(STR_LIT("u1"), users[1]);
		const struct queue_limit limits[] = {
			{ QUEUE_LIMIT_TENANT, "acme", NULL, 1 + roll(3), false },
			{ QUEUE_LIMIT_USER, "acme", users[0], 1 + roll(2), false },
			{ QUEUE_LIMIT_USER, "brown", users[1], 1 + roll(2), roll(2) == 0 },
			{ QUEUE_WEIGHT, "acme", NULL, 1 + roll(3), false },
			{ QUEUE_LIMIT_PROJECT, "acme", "p0", 1 + roll(2), roll(2) == 0 },
			{ QUEUE_LIMIT_AGENT, "brown", "command", 1 + roll(2), roll(2) == 0 },
		};
		struct err err;

		if ((told != player->node.store.generation || chance(2)) &&
		    queue_limit_set(&queue, limits, ARRAY_LEN(limits) - (kinds ? 0 : 2), &err) ==
		            ERR_OK) {
			told = player->node.store.generation;
		}
		(void)fiber_sleep(400 + roll(800));
	}
}

/* What sessions used, and what admins change of it; after the faults no budget is used up but those
 * of the day that is about to end. */
static void spend(void *arg)
{
	struct player *player = arg;
	bool over = false;

	while (!fiber_cancelled() && !over) {
		struct spent *spent = &world->spent[roll(world->spent_count)];
		struct err err;

		(void)fiber_sleep(50 + roll(400));
		if (pg_door(player->node.pg, &err) != ERR_OK) {
			continue;
		}
		over = world->now_us >= world->faults_end_us;
		for (size_t i = 0; over && i < world->spent_count; i++) {
			if (world->spent[i].period == BUDGET_TOTAL) {
				world->spent[i].level = BUDGET_BELOW;
			}
		}
		if (!over) {
			spent->level = (enum budget_level)roll(3);
			budget_first_day(spent->period, clock_wall_us(), spent->day);
			world_tell("budget %s %s: %u", spent->tenant, spent->name,
			           (unsigned)spent->level);
		}
	}
}

void client_start(struct player *player)
{
	if (world->spent_count > 0) {
		(void)player_spawn(player, "spend", spend, player);
	}
	(void)player_spawn(player, "submit", submit_all, player);
	if (!world->shape.fair && (world->seed & 1) == 0) {
		(void)player_spawn(player, "limits", set_limits, player);
	}
}
