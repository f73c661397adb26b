#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/model.h"

struct model_reply *model_reply_new(enum model_type type)
{
	struct model_reply *reply = mem_calloc(1, sizeof(*reply));

	reply->type = type;
	return reply;
}

struct model_reply *model_reply_text(enum model_type type, struct str s)
{
	struct model_reply *reply = model_reply_new(type);

	reply->p = mem_strndup(s);
	reply->n = s.n;
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
	array->items = mem_realloc(array->items, (array->count + 1) * sizeof(struct model_reply *));
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
	free(reply->items);
	free(reply->p);
	free(reply);
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
