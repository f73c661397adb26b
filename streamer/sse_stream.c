#include "streamer/sse_stream.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "streamer/channel.h"
#include "streamer/frame.h"
#include "streamer/viewer.h"

enum {
	LEFT_MAX = 16 * 1024,
	GOODBYE_MS = 5000, /* for the rest of a frame, and to be told to go */
};

struct sse_stream {
	struct outlet outlet;
	struct subscriber subscriber;
};

_Static_assert(sizeof(struct sse_stream) <= SUBSCRIBER_BYTES_MAX, "a stream is small");

/* ---- as an outlet ---- */

/* Its one session was all it was for. */
static void over(struct outlet *outlet, struct subscriber *subscriber, enum outlet_over why)
{
	(void)subscriber;
	(void)why;
	outlet_finish(outlet);
}

static uint64_t keep_alive(struct outlet *outlet)
{
	struct sse_stream *stream = CONTAINER_OF(outlet, struct sse_stream, outlet);
	uint32_t silent_ms = (uint32_t)clock_mono_ms() - outlet->wrote_ms;
	uint64_t every_ms = outlet->feed->options.keepalive_ms;
	struct buf note;

	if (outlet->closing) {
		outlet_end(outlet);
		return every_ms;
	}
	if (silent_ms < every_ms) {
		return every_ms - silent_ms;
	}
	if (outlet_is_quiet(outlet) && !subscriber_tell(&stream->subscriber)) {
		buf_init(&note, FRAME_NOTE_MAX);
		frame_comment(&note);
		(void)outlet_say(outlet, buf_str(&note));
		buf_fini(&note);
	}
	return every_ms;
}

static void say(struct outlet *outlet, const char *type, struct str json)
{
	struct buf note;

	buf_init(&note, 2 * FRAME_NOTE_MAX);
	frame_note(type, json, &note);
	(void)outlet_say(outlet, buf_str(&note));
	buf_fini(&note);
}

static void dismiss(struct outlet *outlet, const char *why)
{
	(void)why;
	outlet_finish(outlet);
}

static const struct outlet_face face = {
	.name = "sse",
	.over = over,
	.round = keep_alive,
	.say = say,
	.dismiss = dismiss,
	.left_max = LEFT_MAX,
};

/* ---- as a stream ---- */

static void opened(void *arg, struct http_conn *conn)
{
	struct sse_stream *stream = arg;
	struct buf note;

	outlet_open(&stream->outlet, conn);
	buf_init(&note, FRAME_NOTE_MAX);
	frame_retry(stream->outlet.feed->options.retry_ms, &note);
	if (outlet_say(&stream->outlet, buf_str(&note))) {
		(void)subscriber_pump(&stream->subscriber);
	}
	buf_fini(&note);
}

static void writable(void *arg)
{
	struct sse_stream *stream = arg;

	outlet_writable(&stream->outlet);
}

/* Clients come back at different times, to another streamer. Who takes half a frame now is told
 * after its other half. */
static void drain(void *arg)
{
	struct sse_stream *stream = arg;
	struct outlet *outlet = &stream->outlet;
	struct buf note;

	if (outlet->closing) {
		outlet_end(outlet);
		return;
	}
	if (!outlet->finishing) {
		buf_init(&note, FRAME_NOTE_MAX);
		frame_forms.drain(feed_return_ms(outlet->feed), &note);
		(void)outlet_say(outlet, buf_str(&note));
		buf_fini(&note);
	}
	outlet->closing = true;
	outlet_finish(outlet);
	if (!outlet->ended) {
		feed_wheel_move(outlet->feed, outlet, GOODBYE_MS);
	}
}

static void closed(void *arg)
{
	struct sse_stream *stream = arg;

	stream->outlet.ended = true;
	subscriber_fini(&stream->subscriber);
	outlet_fini(&stream->outlet);
	free(stream);
}

const struct http_stream_ops sse_stream_ops = {
	.opened = opened,
	.writable = writable,
	.drain = drain,
	.closed = closed,
};

void *sse_stream_new(struct channel *channel, struct viewer *viewer, struct intake *intake,
                     struct cursor at, uint64_t types)
{
	struct sse_stream *stream = mem_calloc(1, sizeof(*stream));

	outlet_init(&stream->outlet, &face, channel->feed, viewer);
	if (intake != NULL) {
		outlet_compress(&stream->outlet, intake);
	}
	subscriber_init(&stream->subscriber, &stream->outlet, channel, FORMAT_SSE, at, types);
	return stream;
}

/* ---- between streamers ---- */

bool sse_stream_record(const void *arg, struct record *ret)
{
	const struct sse_stream *stream = arg;
	const struct outlet *outlet = &stream->outlet;
	const struct subscriber *subscriber = &stream->subscriber;
	const struct channel *channel = subscriber->channel;

	if (outlet->ended) {
		return false;
	}
	ret->kind = RECORD_SSE;
	ret->principal = outlet->viewer->principal;
	ret->stream = outlet->stream;
	ret->silent_ms = (uint32_t)clock_mono_ms() - outlet->wrote_ms;
	ret->finishing = outlet->finishing;
	ret->left = outlet->left != NULL ? buf_str(outlet->left) : STR_LIT("");
	ret->gzip = outlet->intake != NULL ? intake_record(outlet->intake)
	                                   : (struct record_gzip){ .is_it = false };
	ret->count = 1;
	ret->followed[0] = (struct record_followed){ .sid = channel->sid,
		                                     .tip = channel->tip,
		                                     .state = channel->state,
		                                     .position = subscriber->position,
		                                     .shown = subscriber->shown };
	return true;
}

void *sse_stream_of(const struct record *record, struct channel *channel, struct viewer *viewer)
{
	const struct position *position = &record->followed[0].position;
	struct intake *intake = record->gzip.is_it ? intake_of(&record->gzip) : NULL;
	struct sse_stream *stream =
		sse_stream_new(channel, viewer, intake, position->at, position->types);

	stream->subscriber.position = *position;
	stream->outlet.stream = record->stream;
	stream->subscriber.shown = record->followed[0].shown;
	return stream;
}

void sse_stream_adopt(void *arg, const struct record *record, struct http_conn *conn)
{
	struct sse_stream *stream = arg;
	struct outlet *outlet = &stream->outlet;

	outlet_adopt(outlet, conn, record->left, record->finishing, record->silent_ms);
	if (stream->subscriber.position.sent > 0) {
		outlet->torn = &stream->subscriber;
	}
	if (record->finishing) {
		stream->subscriber.state = SUBSCRIBER_OVER;
		outlet_writable(outlet);
	} else {
		subscriber_pump(&stream->subscriber);
	}
}

uint64_t sse_stream_name(const void *arg)
{
	const struct sse_stream *stream = arg;

	return stream->outlet.stream;
}
