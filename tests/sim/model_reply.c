#include <inttypes.h>
#include <string.h>

#include "tests/sim/model_data.h"

struct model_reply *model_reply_new(enum model_type type)
{
	struct model_reply *reply = pool_take(sizeof(*reply));

	*reply = (struct model_reply){ .type = type };
	return reply;
}

/* The text lies behind its reply. */
struct model_reply *model_reply_text(enum model_type type, struct str s)
{
	struct model_reply *reply = pool_take(sizeof(*reply) + s.n + 1);

	*reply = (struct model_reply){ .type = type, .p = (char *)(reply + 1), .n = s.n };
	if (s.n > 0) {
		memcpy(reply->p, s.p, s.n);
	}
	reply->p[s.n] = '\0';
	return reply;
}

struct model_reply *model_reply_int(int64_t v)
{
	struct model_reply *reply = model_reply_new(MODEL_INTEGER);

	reply->integer = v;
	return reply;
}

void model_reply_push(struct model_reply *array, struct model_reply *item)
{
	if (array->count == array->room) {
		size_t room = array->room * 2 + 8;
		struct model_reply **items = pool_take(room * sizeof(struct model_reply *));

		if (array->count > 0) {
			memcpy(items, array->items, array->count * sizeof(struct model_reply *));
			pool_give(array->items, array->room * sizeof(struct model_reply *));
		}
		array->items = items;
		array->room = room;
	}
	array->items[array->count++] = item;
}

void model_reply_free(struct model_reply *reply)
{
	if (reply == NULL) {
		return;
	}
	for (size_t i = 0; i < reply->count; i++) {
		model_reply_free(reply->items[i]);
	}
	if (reply->room > 0) {
		pool_give(reply->items, reply->room * sizeof(struct model_reply *));
	}
	pool_give(reply, sizeof(*reply) + (reply->p != NULL ? reply->n + 1 : 0));
}

void model_reply_format(const struct model_reply *reply, struct buf *out)
{
	switch (reply->type) {
	case MODEL_NIL: buf_add_cstr(out, "nil"); break;
	case MODEL_INTEGER: buf_addf(out, ":%" PRId64, reply->integer); break;
	case MODEL_STRING: buf_addf(out, "\"%.*s\"", (int)reply->n, reply->p); break;
	case MODEL_STATUS: buf_addf(out, "+%.*s", (int)reply->n, reply->p); break;
	case MODEL_ERROR: buf_addf(out, "-%.*s", (int)reply->n, reply->p); break;
	case MODEL_ARRAY:
		buf_add_char(out, '[');
		for (size_t i = 0; i < reply->count; i++) {
			buf_add_cstr(out, i > 0 ? " " : "");
			model_reply_format(reply->items[i], out);
		}
		buf_add_char(out, ']');
		break;
	}
}
