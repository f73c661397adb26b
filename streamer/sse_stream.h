/* A stream of server-sent events: a connection that follows one session. */
#pragma once

#include "streamer/subscriber.h"

extern const struct http_stream_ops sse_stream_ops;

/* To be handed to a reply as its stream; freed by its closed(). Holds the viewer. */
void *sse_stream_new(struct channel *channel, struct viewer *viewer, struct cursor at,
                     uint64_t types) MUST_CHECK;
