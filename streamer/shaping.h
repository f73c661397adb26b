/* An event's data on its way into a frame of the consumer's face: what reads it and writes the
 * frame.  Pure. */
#pragma once

#include "base/buf.h"
#include "event/event.h"
#include "json/value.h"
#include "json/write.h"

struct shaping {
	const struct log_event *event;
	const struct json_value *data;
	struct buf *out;
	struct jsonw w;
};

/* Writes the frame of one type of event, but for its end. Nothing written: it has no form. */
typedef void(shaping_fn)(struct shaping *s);

/* By type; NULL: it never has a form. */
extern shaping_fn *const shaping_table[EVENT_TYPE_COUNT];

/* ---- reading ---- */

struct str shaping_text(const struct shaping *s, const char *name); /* "" when it is no text */
/* The first of two spellings that is there. */
struct str shaping_text_or(const struct shaping *s, const char *name, const char *other);
const struct json_value *shaping_value_or(const struct shaping *s, const char *name,
                                          const char *other);

/* ---- writing ---- */

void shaping_begin(struct shaping *s, const char *type);
void shaping_add(struct shaping *s, const char *name, const struct json_value *value);
void shaping_copy(struct shaping *s, const char *name); /* as it is, when it is there */
/* 0 when it is no number. */
void shaping_add_number(struct shaping *s, const char *name, const struct json_value *value);
void shaping_add_text(struct shaping *s, const char *name, struct str text); /* unless empty */
/* An object, whatever was there. */
void shaping_add_object(struct shaping *s, const char *name, const struct json_value *value);
void shaping_add_id(struct shaping *s, const char *name); /* the event's cursor */
/* The four counters. */
void shaping_add_usage(struct shaping *s, const struct json_value *usage);
void shaping_add_parent(struct shaping *s); /* parent_tool_use_id */
