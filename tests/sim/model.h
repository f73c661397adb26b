/*
 * A Redis in memory: the commands that Fairlead's scripts use, with Redis's semantics, and the
 * scripts themselves run by liblua 5.1.  Its clock is turned by the test.  What it does not
 * know it refuses with an error, so a script that starts to use a new command shows here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/text.h"

enum model_type { MODEL_NIL, MODEL_STRING, MODEL_STATUS, MODEL_INTEGER, MODEL_ARRAY, MODEL_ERROR };

struct model_reply {
	enum model_type type;
	int64_t integer;
	char *p; /* string, status, error */
	size_t n;
	struct model_reply **items;
	size_t count, room;
};

struct model_reply *model_reply_new(enum model_type type);
struct model_reply *model_reply_text(enum model_type type, struct str s);
struct model_reply *model_reply_int(int64_t v);
void model_reply_push(struct model_reply *array, struct model_reply *item);
void model_reply_free(struct model_reply *reply);
void model_reply_format(const struct model_reply *reply, struct buf *out); /* canonical text */

struct model;

struct model *model_new(int64_t now_ms);
void model_free(struct model *model);
void model_flush(struct model *model);
int64_t model_now(const struct model *model);
void model_set_now(struct model *model, int64_t now_ms); /* forwards expires nothing */
void model_advance(struct model *model, int64_t ms);     /* and expire what is due */

/* One command, or one script. The caller frees the reply. */
struct model_reply *model_call(struct model *model, const struct str *args, size_t count);
struct model_reply *model_eval(struct model *model, struct str script, const struct str *keys,
                               size_t key_count, const struct str *args, size_t count);

/* The i-th key, in their order; NULL at the end. */
const char *model_key(struct model *model, size_t i, const char **ret_type);
uint64_t model_published(const struct model *model);
/* fn: how many hear it. */
void model_on_publish(struct model *model,
                      unsigned (*fn)(void *arg, struct str channel, struct str payload), void *arg);
/* Of the last script: how many commands it ran, and whether it changed anything. */
uint64_t model_calls(const struct model *model);
bool model_changed(const struct model *model);
