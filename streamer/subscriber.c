#include "streamer/subscriber.h"

#include <assert.h>

#include "log/log.h"
#include "metric/metric.h"
#include "streamer/audience.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/reader.h"
#include "streamer/source.h"

enum {
	WRITES_A_TURN = 4,
	UNTOLD_MAX = 128, /* events passed over before the client is told where it is */
};

/* ---- lists ---- */

static struct subscribers *list_of(const struct subscriber *subscriber)
{
	struct channel *channel = subscriber->channel;

	switch ((enum subscriber_state)subscriber->state) {
	case SUBSCRIBER_TIP: return &channel->at_tip;
	case SUBSCRIBER_DUE: return &channel->due;
	case SUBSCRIBER_FULL: return &subscriber->outlet->waiting;
	case SUBSCRIBER_WAITING: return &channel->waiting;
	case SUBSCRIBER_FOLDING: return &channel->folding;
	case SUBSCRIBER_READING: return &subscriber->replay->readers;
	case SUBSCRIBER_LATER: return &channel->feed->later;
	case SUBSCRIBER_NEW:
	case SUBSCRIBER_LOOSE:
	case SUBSCRIBER_OVER: break;
	}
	return NULL;
}

void subscriber_unlink(struct subscriber *subscriber)
{
	struct subscribers *list = list_of(subscriber);

	if (list != NULL) {
		TAILQ_REMOVE(list, subscriber, link);
	}
	subscriber->state = SUBSCRIBER_LOOSE;
}

static void join(struct subscriber *subscriber, enum subscriber_state state)
{
	subscriber->state = (uint8_t)state;
	TAILQ_INSERT_TAIL(list_of(subscriber), subscriber, link);
}

void subscriber_later(struct subscriber *subscriber)
{
	join(subscriber, SUBSCRIBER_LATER);
}

/* ---- the end ---- */

static void be_over(struct subscriber *subscriber, enum outlet_over why)
{
	subscriber->state = SUBSCRIBER_OVER;
	subscriber->outlet->face->over(subscriber->outlet, subscriber, why);
}

/* The other half of its frame will never be: nothing can follow on this connection. */
static void be_torn(struct subscriber *subscriber)
{
	subscriber->state = SUBSCRIBER_OVER;
	outlet_end(subscriber->outlet);
}

void subscriber_lose(struct subscriber *subscriber)
{
	if (subscriber->position.sent > 0) {
		be_torn(subscriber);
	} else {
		be_over(subscriber, OUTLET_LOST);
	}
}

bool subscriber_leave(struct subscriber *subscriber)
{
	if (subscriber->position.sent > 0) {
		subscriber->leaving = true;
		return false;
	}
	subscriber_unlink(subscriber);
	subscriber->state = SUBSCRIBER_OVER;
	return true;
}

/* ---- notes ---- */

static const struct format_forms *forms_of(const struct subscriber *subscriber)
{
	return format_forms((enum format)subscriber->format);
}

static void say_end(struct subscriber *subscriber)
{
	const struct channel *channel = subscriber->channel;
	struct buf note;

	buf_init(&note, FRAME_NOTE_MAX);
	forms_of(subscriber)->end(channel->state, &subscriber->position.at, &channel->sid, &note);
	(void)outlet_say(subscriber->outlet, buf_str(&note));
	buf_fini(&note);
	be_over(subscriber, OUTLET_ENDED);
}

static void say_gap(struct subscriber *subscriber, const struct log_gap *gap)
{
	struct buf note;

	buf_init(&note, FRAME_NOTE_MAX);
	forms_of(subscriber)->gap(gap, &subscriber->position.at, &subscriber->channel->sid, &note);
	metric_inc(METRIC_GAPS, log_gap_name(gap->reason));
	subscriber->position.untold = 0;
	(void)outlet_say(subscriber->outlet, buf_str(&note));
	buf_fini(&note);
}

bool subscriber_tell(struct subscriber *subscriber)
{
	struct position *position = &subscriber->position;
	struct buf note;

	if (position->untold == 0) {
		return false;
	}
	buf_init(&note, FRAME_NOTE_MAX);
	forms_of(subscriber)->where(&position->at, &subscriber->channel->sid, &note);
	position->untold = 0;
	(void)outlet_say(subscriber->outlet, buf_str(&note));
	buf_fini(&note);
	return true;
}

/* ---- writing ---- */

/* Until there is room, and it is its turn. */
static void wait_for_room(struct subscriber *subscriber)
{
	if (subscriber->outlet->full) {
		source_full(subscriber);
	}
	if (subscriber->outlet->ended) {
		subscriber->state = SUBSCRIBER_OVER;
	} else {
		outlet_queue(subscriber->outlet, subscriber);
	}
}

/* Between two frames. False: there is none. */
static bool say_ahead(struct subscriber *subscriber)
{
	const struct log_event *event = source_ahead(subscriber);
	struct buf note;

	if (event == NULL || subscriber->position.sent > 0) {
		return false;
	}
	subscriber->shown = (uint32_t)event->at.n;
	buf_init(&note, FRAME_MAX);
	forms_of(subscriber)->ahead(event, &subscriber->channel->sid, &note);
	if (note.len > 0) {
		metric_inc(METRIC_EVENTS_AHEAD, NULL);
		(void)outlet_say(subscriber->outlet, buf_str(&note));
	}
	buf_fini(&note);
	return true;
}

/* From its source, when it is admitted. False: full, ended, or over. */
static bool send_from(struct subscriber *subscriber, const struct source *source)
{
	const struct ring *ring = source->ring;
	struct position *position = &subscriber->position;
	struct outlet *outlet = subscriber->outlet;
	bool hurries = position->sent > 0 &&
	               (outlet_is_wanted(outlet) || source_ahead(subscriber) != NULL);
	struct plan plan;
	ssize_t n = 0;

	position_plan_until(position, ring, source->until,
	                    hurries || subscriber->leaving ? 1 : source->bytes_max, &plan);
	if (plan.torn) {
		be_torn(subscriber);
		return false;
	}
	if (plan.count > 0) {
		n = outlet_writev(outlet, plan.iov, plan.count);
	}
	if (n < 0) {
		subscriber->state = SUBSCRIBER_OVER;
		return false;
	}
	metric_add(METRIC_EVENTS_DELIVERED, NULL,
	           (double)position_advance(position, ring, (size_t)n));
	outlet->torn = position->sent > 0 ? subscriber : NULL;
	position->folded = position->sent > 0 && source->folded;
	if (subscriber->leaving && position->sent == 0) {
		be_over(subscriber, OUTLET_LEFT);
		return false;
	}
	if ((size_t)n < plan.bytes) {
		wait_for_room(subscriber);
		return false;
	}
	if (position->untold >= UNTOLD_MAX) {
		(void)subscriber_tell(subscriber);
	}
	return true;
}

/* ---- compressed ---- */

static bool is_reader(const struct subscriber *subscriber)
{
	const struct intake *intake = subscriber->outlet->intake;

	return intake != NULL && intake->reader == subscriber;
}

static void stop_sharing(struct subscriber *subscriber)
{
	struct intake *intake = subscriber->outlet->intake;

	if (is_reader(subscriber) && intake->squeeze != NULL) {
		channel_unsqueeze(subscriber->channel, intake->squeeze);
		intake->squeeze = NULL;
	}
}

/* Of those on a connection one has its events compressed: the first that asks. */
static bool may_share(struct subscriber *subscriber)
{
	struct intake *intake = subscriber->outlet->intake;
	uint64_t types = subscriber->position.types;

	if (intake == NULL) {
		return false;
	}
	if (intake->reader == NULL) {
		intake->reader = subscriber;
	}
	if (intake->reader != subscriber) {
		return false;
	}
	if (intake->squeeze != NULL && intake->squeeze->types != types) {
		stop_sharing(subscriber);
	}
	if (intake->squeeze == NULL) {
		intake->squeeze = channel_squeeze(subscriber->channel,
		                                  (enum format)subscriber->format, types);
	}
	return intake->squeeze != NULL;
}

static enum intake_share share(struct subscriber *subscriber)
{
	enum intake_share done = INTAKE_NONE;
	uint64_t events = 0;

	if (may_share(subscriber) && subscriber->position.sent == 0) {
		done = outlet_share(subscriber->outlet, &subscriber->position, &events);
		metric_add(METRIC_EVENTS_DELIVERED, NULL, (double)events);
		metric_add(METRIC_EVENTS_COMPRESSED, NULL, (double)events);
	}
	return done;
}

/* Of its own bytes no more than it has to get before it can share. */
static size_t own_bytes(const struct subscriber *subscriber, const struct ring *ring)
{
	const struct intake *intake = subscriber->outlet->intake;
	const struct position *position = &subscriber->position;
	uint64_t fresh = 0;
	size_t bytes = 0;

	if (is_reader(subscriber) && intake->squeeze != NULL) {
		fresh = squeeze_fresh_after(intake->squeeze, position->at.n);
	}
	if (fresh == 0) {
		return PLAN_BYTES;
	}
	for (uint64_t n = position->at.n + 1; n < fresh && bytes < PLAN_BYTES; n++) {
		const struct ring_frame *frame = ring_at(ring, n);

		bytes += (position->types >> frame->type & 1) != 0 ? frame->len : 0;
	}
	return bytes;
}

/* From its source, or, of one who keeps up, what everybody gets instead of it. */
static bool send_more(struct subscriber *subscriber, struct source *source)
{
	bool alone = subscriber->slow || source->folded;

	switch (alone ? INTAKE_NONE : share(subscriber)) {
	case INTAKE_NONE:
		if (!alone) {
			source->bytes_max = own_bytes(subscriber, source->ring);
		}
		return send_from(subscriber, source);
	case INTAKE_SENT: return true;
	case INTAKE_FULL:
	case INTAKE_DEAD: break;
	}
	wait_for_room(subscriber);
	return false;
}

/* True: it goes on. */
static bool arrive(struct subscriber *subscriber)
{
	if (channel_ended(subscriber->channel)) {
		say_end(subscriber);
		return false;
	}
	if (may_share(subscriber)) {
		intake_await(subscriber->outlet->intake);
	}
	source_caught_up(subscriber);
	join(subscriber, SUBSCRIBER_TIP);
	return true;
}

/* What it needs is not here. */
static void do_without(struct subscriber *subscriber, enum source_kind kind)
{
	switch (kind) {
	case SOURCE_READ: reader_want(subscriber); break;
	case SOURCE_BLOCK: reader_want_folded(subscriber); break;
	case SOURCE_TORN: be_torn(subscriber); break;
	case SOURCE_RING: break;
	}
}

static bool take_turn(struct subscriber *subscriber)
{
	struct position *position = &subscriber->position;
	struct outlet *outlet = subscriber->outlet;
	enum source_kind kind;
	struct source source;

	for (int i = 0; i < WRITES_A_TURN; i++) {
		bool was_torn = outlet->torn == subscriber;

		if (!outlet_admits(outlet, subscriber)) {
			wait_for_room(subscriber);
			return false;
		}
		if (say_ahead(subscriber)) {
			continue;
		}
		kind = source_find(subscriber, &source);
		if (kind != SOURCE_RING) {
			do_without(subscriber, kind);
			return false;
		}
		position->at = ring_cursor(source.ring, &position->at);
		if (position->at.n == subscriber->channel->tip.n) {
			return arrive(subscriber);
		}
		if (!send_more(subscriber, &source)) {
			return false;
		}
		if (was_torn && outlet_is_wanted(outlet)) {
			wait_for_room(subscriber);
			return false;
		}
	}
	join(subscriber, SUBSCRIBER_DUE);
	channel_wake(subscriber->channel);
	return false;
}

bool subscriber_pump(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;
	bool has_all;

	subscriber->state = SUBSCRIBER_LOOSE;
	has_all = take_turn(subscriber);
	outlet_turns(outlet);
	return has_all;
}

/* Those who waited for its half frame come first. */
static bool make_way(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;

	if (outlet->torn == NULL) {
		outlet_turns(outlet);
	}
	if (outlet_admits(outlet, subscriber)) {
		return true;
	}
	wait_for_room(subscriber);
	return false;
}

void subscriber_serve(struct subscriber *subscriber, const struct ring *page,
                      const struct log_gap *gap)
{
	struct position *position = &subscriber->position;
	struct source source;

	subscriber->state = SUBSCRIBER_LOOSE;
	if (gap->reason != LOG_GAP_NONE) {
		if (position->sent > 0) { /* the event that is half out is in the gap */
			be_torn(subscriber);
			return;
		}
		position->at = page->before;
		say_gap(subscriber, gap);
	}
	while (position->at.n < page->tip.n) {
		if (!make_way(subscriber)) {
			return;
		}
		if (say_ahead(subscriber)) {
			continue;
		}
		if (source_begins_block(subscriber)) {
			break;
		}
		source_plain(subscriber, page, &source);
		if (!send_from(subscriber, &source)) {
			return;
		}
	}
	(void)subscriber_pump(subscriber);
}

/* ---- life ---- */

void subscriber_init(struct subscriber *subscriber, struct outlet *outlet, struct channel *channel,
                     enum format format, struct cursor at, uint64_t types)
{
	*subscriber = (struct subscriber){ .outlet = outlet,
		                           .channel = channel,
		                           .position = { .at = at, .types = types },
		                           .state = SUBSCRIBER_NEW,
		                           .shown = (uint32_t)at.n,
		                           .format = (uint8_t)format };
	LIST_INSERT_HEAD(&outlet->followings, subscriber, of_outlet);
	metric_inc(METRIC_SUBSCRIBERS, NULL);
	feed_follow(channel, format);
	audience_join(subscriber);
}

static void tell_stalled(const struct subscriber *subscriber)
{
	char cursor[CURSOR_SIZE];

	cursor_format(&subscriber->position.at, cursor);
	log_info("stream.stalled", "session=%s cursor=%s", subscriber->channel->sid.s, cursor);
}

void subscriber_fini(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;

	if (outlet_has_stalled(outlet)) {
		tell_stalled(subscriber);
	}
	subscriber_unlink(subscriber);
	stop_sharing(subscriber);
	if (is_reader(subscriber)) {
		outlet->intake->reader = NULL;
	}
	assert(outlet->torn != subscriber || outlet->ended);
	LIST_REMOVE(subscriber, of_outlet);
	audience_leave(subscriber);
	metric_dec(METRIC_SUBSCRIBERS, NULL);
	feed_unfollow(subscriber->channel, (enum format)subscriber->format);
}
