/* A stream of server-sent events: a connection that follows one session. */
#pragma once

#include "streamer/record.h"
#include "streamer/subscriber.h"

extern const struct http_stream_ops sse_stream_ops;

/* To be handed to a reply as its stream; freed by its closed(). Holds the viewer. intake: NULL, or
 * the stream's: what it sends is gzip. */
void *sse_stream_new(struct channel *channel, struct viewer *viewer, struct intake *intake,
                     struct cursor at, uint64_t types) MUST_CHECK;

/* For the next streamer; followed is room for one. False: it is ending anyway. */
bool sse_stream_record(const void *stream, struct record *ret) MUST_CHECK;
/* What another streamer told of it, but not yet on a connection. */
void *sse_stream_of(const struct record *record, struct channel *channel, struct viewer *viewer);
void sse_stream_adopt(void *stream, const struct record *record, struct http_conn *conn);
/* For clients: what the key of the stream is exchanged by. */
uint64_t sse_stream_name(const void *stream);
