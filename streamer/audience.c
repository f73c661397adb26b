#include "streamer/audience.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "log/log.h"
#include "streamer/audience_private.h"
#include "streamer/channel.h"
#include "streamer/feed.h"
#include "streamer/subscriber.h"
#include "streamer/viewer.h"

enum { STOP_MS = 10000 };

/* ---- the queue ---- */

static void tell_all(void *arg);

static void wake(struct audiences *all)
{
	if (!all->feed->stopping && !TAILQ_EMPTY(&all->queue) && clock_mono_ms() >= all->rest_ms &&
	    all->fibers.count < AUDIENCE_FIBERS) {
		(void)fiber_start(all->feed->options.loop, &all->fibers, "audience", tell_all, all);
	}
}

void audience_enqueue(struct audience *audience)
{
	if (audience->is_busy) {
		audience->is_again = true;
		return;
	}
	if (!audience->is_queued) {
		audience->is_queued = true;
		TAILQ_INSERT_TAIL(&audience->all->queue, audience, queue_link);
	}
	wake(audience->all);
}

static void stop_renewing(struct audience *audience)
{
	if (audience->is_renewing) {
		audience->is_renewing = false;
		TAILQ_REMOVE(&audience->all->renewals, audience, renew_link);
	}
}

static void renew_later(struct audience *audience)
{
	stop_renewing(audience);
	audience->is_renewing = true;
	audience->renew_ms = clock_mono_ms() + PRESENCE_RENEW_MS;
	TAILQ_INSERT_TAIL(&audience->all->renewals, audience, renew_link);
}

/* ---- life ---- */

struct audience *audience_find(const struct audiences *all, const struct id *sid)
{
	return map_get(all->by_sid, str_of(sid->s));
}

struct audience *audience_get(struct audiences *all, const struct id *sid)
{
	struct audience *audience = audience_find(all, sid);

	if (audience == NULL) {
		audience = mem_calloc(1, sizeof(*audience));
		audience->all = all;
		audience->sid = *sid;
		(void)map_put(all->by_sid, str_of(sid->s), audience);
	}
	return audience;
}

static void free_audience(struct audience *audience)
{
	struct audiences *all = audience->all;

	(void)map_remove(all->by_sid, str_of(audience->sid.s));
	stop_renewing(audience);
	if (audience->is_queued) {
		TAILQ_REMOVE(&all->queue, audience, queue_link);
	}
	presence_set_fini(&audience->set);
	free(audience);
}

/* Nobody looks, nobody asks, and all was told. */
static void free_if_idle(struct audience *audience)
{
	if (!audience->is_busy && LIST_EMPTY(&audience->seats) && LIST_EMPTY(&audience->watches)) {
		free_audience(audience);
	}
}

/* ---- telling ---- */

static bool is_taken(const struct seat *seat)
{
	return seat->streams > 0 || seat->is_parting;
}

static struct presence who_of(const struct seat *seat)
{
	struct presence who = { .role = seat->role };

	(void)str_copy(who.user, sizeof(who.user), str_of(seat->text));
	(void)str_copy(who.name, sizeof(who.name), str_of(seat->name));
	return who;
}

/* Seats whose state Redis does not know: to join, or to leave. */
static size_t gather(const struct audience *audience, bool join, struct seat **seats,
                     struct presence *who)
{
	struct seat *seat;
	size_t count = 0;

	LIST_FOREACH(seat, &audience->seats, link)
	{
		if (is_taken(seat) == join && seat->is_told != join && count < PRESENCE_BATCH_MAX) {
			seats[count] = seat;
			who[count++] = who_of(seat);
		}
	}
	return count;
}

static void forget_empty(struct audience *audience)
{
	struct seat *seat, *next;

	for (seat = LIST_FIRST(&audience->seats); seat != NULL; seat = next) {
		next = LIST_NEXT(seat, link);
		if (!is_taken(seat) && !seat->is_told) {
			LIST_REMOVE(seat, link);
			audience->seat_count--;
			free(seat);
		}
	}
}

static bool has_told(const struct audience *audience)
{
	const struct seat *seat;

	LIST_FOREACH(seat, &audience->seats, link)
	{
		if (seat->is_told) {
			return true;
		}
	}
	return false;
}

/* *ret_count: how many were told; 0: there are none to tell. Seats stay while we wait. */
static enum err_code tell_some(struct audience *audience, const struct presence_place *place,
                               bool join, size_t *ret_count, struct err *err)
{
	struct seat *seats[PRESENCE_BATCH_MAX];
	struct presence *who = mem_calloc(PRESENCE_BATCH_MAX, sizeof(*who));
	size_t count = gather(audience, join, seats, who);
	uint64_t version;
	enum err_code code = ERR_OK;

	if (count > 0) {
		code = join ? presence_join(place, who, count, &version, err)
		            : presence_leave(place, who, count, &version, err);
	}
	for (size_t i = 0; i < count && code == ERR_OK; i++) {
		seats[i]->is_told = join;
	}
	free(who);
	*ret_count = count;
	return code;
}

static enum err_code tell_changes(struct audience *audience, const struct presence_place *place,
                                  struct err *err)
{
	enum err_code code = ERR_OK;
	size_t joined = 1, left = 1;

	while (code == ERR_OK && joined + left > 0) {
		code = tell_some(audience, place, true, &joined, err);
		if (code == ERR_OK) {
			code = tell_some(audience, place, false, &left, err);
		}
		if (code == ERR_OK && joined + left > 0) {
			renew_later(audience);
		}
	}
	forget_empty(audience);
	return code;
}

/* Others thought us silent: nothing counts as told. */
static void begin_anew(struct audience *audience)
{
	struct seat *seat;

	LIST_FOREACH(seat, &audience->seats, link)
	{
		seat->is_told = false;
	}
}

static enum err_code renew(struct audience *audience, const struct presence_place *place,
                           struct err *err)
{
	uint64_t version = 0;
	enum err_code code;

	if (!audience->is_renewing || clock_mono_ms() < audience->renew_ms) {
		return ERR_OK;
	}
	if (!has_told(audience)) {
		stop_renewing(audience);
		return ERR_OK;
	}
	code = presence_renew(place, &version, err);
	if (code == ERR_FENCED) {
		begin_anew(audience);
		code = tell_changes(audience, place, err);
	}
	if (code == ERR_OK) {
		renew_later(audience);
	}
	if (code == ERR_OK && audience->is_known && version > audience->set.version) {
		audience->wants_set = true;
	}
	return code;
}

static enum err_code read_set(struct audience *audience, const struct presence_place *place,
                              struct err *err)
{
	struct presence_set set;
	enum err_code code;

	if (!audience->wants_set) {
		return ERR_OK;
	}
	audience->wants_set = false;
	code = presence_list(place->redis, &place->sid, &set, err);
	if (code != ERR_OK) {
		audience->wants_set = true;
	} else if (LIST_EMPTY(&audience->watches) ||
	           (audience->is_known && set.version < audience->set.version)) {
		presence_set_fini(&set); /* nobody asks, or deltas were faster */
	} else {
		audience_take_set(audience, &set);
	}
	return code;
}

static enum err_code serve(struct audience *audience, struct err *err)
{
	const struct presence_place place = { audience->all->feed->options.store->redis,
		                              audience->sid, audience->all->node };
	enum err_code code = tell_changes(audience, &place, err);

	if (code == ERR_OK) {
		code = renew(audience, &place, err);
	}
	return code == ERR_OK ? read_set(audience, &place, err) : code;
}

static void tell_all(void *arg)
{
	struct audiences *all = arg;
	struct audience *audience;

	while (!all->feed->stopping && clock_mono_ms() >= all->rest_ms &&
	       (audience = TAILQ_FIRST(&all->queue)) != NULL) {
		struct err err;
		enum err_code code;

		TAILQ_REMOVE(&all->queue, audience, queue_link);
		audience->is_queued = audience->is_again = false;
		audience->is_busy = true;
		wake(all);
		code = serve(audience, &err);
		audience->is_busy = false;
		if (code != ERR_OK && code != ERR_INVALID) {
			all->rest_ms = clock_mono_ms() + AUDIENCE_RETRY_MS;
			audience_enqueue(audience);
		} else if (audience->is_again) {
			audience_enqueue(audience);
		} else {
			free_if_idle(audience);
		}
	}
}

/* ---- those who look ---- */

/* Names are said to be text; what is not would never be told. */
static bool identify(const struct viewer *viewer, struct presence *ret)
{
	const struct principal *who = &viewer->principal;
	const char *user = who->owner[0] != '\0' ? who->owner : auth_actor(who);

	*ret = (struct presence){ .role = auth_part_of(who) == AUTH_PARTICIPANT
		                                  ? PRESENCE_PARTICIPANT
		                                  : PRESENCE_OBSERVER };
	return str_copy(ret->user, sizeof(ret->user), str_of(user)) &&
	       str_copy(ret->name, sizeof(ret->name), str_of(who->name)) && ret->user[0] != '\0' &&
	       str_is_utf8(str_of(ret->user)) && str_is_utf8(str_of(ret->name));
}

static struct seat *find_seat(const struct audience *audience, const struct presence *who)
{
	struct seat *seat;

	LIST_FOREACH(seat, &audience->seats, link)
	{
		if (seat->role == who->role && strcmp(seat->text, who->user) == 0) {
			return seat;
		}
	}
	return NULL;
}

static struct seat *add_seat(struct audience *audience, const struct presence *who)
{
	size_t user = strlen(who->user) + 1, name = strlen(who->name) + 1;
	struct seat *seat = mem_calloc(1, sizeof(*seat) + user + name);

	seat->audience = audience;
	seat->role = who->role;
	seat->name = seat->text + user;
	memcpy(seat->text, who->user, user);
	memcpy(seat->text + user, who->name, name);
	LIST_INSERT_HEAD(&audience->seats, seat, link);
	audience->seat_count++;
	return seat;
}

static void sit(struct seat *seat)
{
	if (seat->is_parting) {
		seat->is_parting = false;
		TAILQ_REMOVE(&seat->audience->all->parting, seat, parting);
	}
	seat->streams++;
}

void audience_join(struct subscriber *subscriber)
{
	const struct channel *channel = subscriber->channel;
	struct presence who;
	struct audience *audience;
	struct seat *seat;

	if (!identify(subscriber->outlet->viewer, &who)) {
		return;
	}
	audience = audience_get(channel->feed->audiences, &channel->sid);
	seat = find_seat(audience, &who);
	if (seat == NULL && audience->seat_count < PRESENCE_SHOWN_MAX) {
		seat = add_seat(audience, &who);
	}
	if (seat != NULL) {
		sit(seat);
		subscriber->seat = seat;
		if (!seat->is_told) {
			audience_enqueue(audience);
		}
	}
}

static void stand_up(struct seat *seat)
{
	struct audiences *all = seat->audience->all;

	if (--seat->streams == 0) {
		seat->is_parting = true;
		seat->left_ms = clock_mono_ms();
		TAILQ_INSERT_TAIL(&all->parting, seat, parting);
	}
}

void audience_leave(struct subscriber *subscriber)
{
	const struct channel *channel = subscriber->channel;
	struct audience *audience = audience_find(channel->feed->audiences, &channel->sid);

	if (subscriber->seat != NULL) {
		stand_up(subscriber->seat);
		subscriber->seat = NULL;
	}
	if (subscriber->watch != NULL) {
		audience_unwatch(audience, subscriber);
	}
	if (audience != NULL) {
		free_if_idle(audience);
	}
}

void audience_move(struct subscriber *subscriber)
{
	struct seat *seat = subscriber->seat;

	subscriber->seat = NULL;
	audience_join(subscriber);
	if (seat != NULL) {
		stand_up(seat);
	}
}

void audiences_tick(struct audiences *all, uint64_t now_ms)
{
	struct audience *audience;
	struct seat *seat;

	while ((seat = TAILQ_FIRST(&all->parting)) != NULL &&
	       now_ms - seat->left_ms >= AUDIENCE_GRACE_MS) {
		seat->is_parting = false;
		TAILQ_REMOVE(&all->parting, seat, parting);
		audience_enqueue(seat->audience);
	}
	TAILQ_FOREACH (audience, &all->renewals, renew_link) {
		if (now_ms < audience->renew_ms) {
			break;
		}
		audience_enqueue(audience);
	}
	wake(all);
}

/* ---- all of them ---- */

struct audiences *audiences_new(struct feed *feed)
{
	struct audiences *all = mem_calloc(1, sizeof(*all));

	all->feed = feed;
	all->node = id_new();
	all->by_sid = map_new();
	TAILQ_INIT(&all->queue);
	TAILQ_INIT(&all->renewals);
	TAILQ_INIT(&all->parting);
	return all;
}

void audiences_stop(struct audiences *all)
{
	fiber_group_cancel(&all->fibers, ERR_CANCELLED);
	if (fiber_group_wait(&all->fibers, STOP_MS) != ERR_OK) {
		log_warn("audience.stuck", "fibers=%zu", all->fibers.count);
	}
}

void audiences_free(struct audiences *all)
{
	struct audience *audience;
	struct seat *seat;
	struct str sid;
	void *value;
	size_t at = 0;

	if (all == NULL) {
		return;
	}
	while (map_next(all->by_sid, &at, &sid, &value)) {
		audience = value;
		while ((seat = LIST_FIRST(&audience->seats)) != NULL) {
			assert(seat->streams == 0);
			LIST_REMOVE(seat, link);
			free(seat);
		}
		presence_set_fini(&audience->set);
		free(audience);
	}
	map_free(all->by_sid);
	free(all);
}
