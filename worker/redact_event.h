/*
 * Secrets in events (redact.h).  Pure: events in, events out, in order.
 *
 * All strings of an event's data are looked at, names of members too, each as the text that it
 * stands for: escapes hide nothing; and numbers.  The data stays JSON, of the same shape.
 *
 * A text that comes in pieces (message_delta, thought) is one stream for each message, so a secret
 * that is spread over several events is found.  What is held back of it goes out with the next
 * piece, after REDACT_EVENT_MS, or before an event that follows the text.
 */
#pragma once

#include <stdint.h>

#include "event/event.h"
#include "worker/redact.h"

enum { REDACT_EVENT_MS = 300 };

typedef void(redact_say_fn)(void *arg, enum event_type type, struct str data);

struct redact_events;

struct redact_events *redact_events_new(const struct redact *redact, redact_say_fn *say,
                                        void *arg) MUST_CHECK;
void redact_events_free(struct redact_events *events);

/* Says what may be said now; data is valid JSON. */
void redact_events_add(struct redact_events *events, enum event_type type, struct str data,
                       uint64_t now_ms);
/* All texts have ended: says what is held back of them. */
void redact_events_close(struct redact_events *events);
/* Appends data without its secrets. */
void redact_json(const struct redact *redact, struct str data, struct buf *out);

uint64_t redact_events_due(const struct redact_events *events); /* when to flush; 0: never */
void redact_events_flush(struct redact_events *events, uint64_t now_ms);
