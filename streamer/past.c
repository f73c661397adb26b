#include "streamer/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "event/between.h"
#include "json/value.h"
#include "streamer/consumer_frame.h"
#include "streamer/frame.h"

static char mark;

/* ---- texts ---- */

static struct past_text *text_of(const struct log_event *event)
{
	struct past_text *text = NULL;
	struct buf json;

	buf_init(&json, FRAME_MAX);
	consumer_frame_json(event, &json);
	if (json.len > 0) {
		text = mem_calloc(1, sizeof(*text) + json.len);
		text->n = event->at.n;
		text->len = json.len;
		memcpy(text->bytes, json.data, json.len);
	}
	buf_fini(&json);
	return text;
}

static void free_text(struct past_texts *texts, struct past_text *text)
{
	TAILQ_REMOVE(texts, text, link);
	free(text->request);
	free(text);
}

static void free_texts(struct past_texts *texts)
{
	while (!TAILQ_EMPTY(texts)) {
		free_text(texts, TAILQ_FIRST(texts));
	}
}

/* ---- one block, its oldest event first ---- */

struct block {
	struct past *past;
	struct past_texts messages, pending;
	size_t message_count, message_bytes, pending_bytes;
	bool is_cut; /* messages of the block are left out, its oldest */
	bool settles;
	char cost[PAST_NUMBER_MAX], turns[PAST_NUMBER_MAX];
	struct map *resolved;
};

static bool wants_messages(const struct past *past)
{
	return !past->is_full && past->message_count < past->messages_max &&
	       past->message_bytes < PAST_BYTES_MAX;
}

static bool is_over(const struct block *block)
{
	size_t count = block->past->message_count + block->message_count;
	size_t bytes = block->past->message_bytes + block->message_bytes;

	return count > block->past->messages_max || (bytes > PAST_BYTES_MAX && count > 1);
}

/* The oldest go when there are too many. */
static void take_message(struct block *block, const struct log_event *event)
{
	struct past_text *text = text_of(event);

	if (text == NULL) {
		return;
	}
	TAILQ_INSERT_TAIL(&block->messages, text, link);
	block->message_count++;
	block->message_bytes += text->len;
	while (is_over(block) && (text = TAILQ_FIRST(&block->messages)) != NULL) {
		block->message_count--;
		block->message_bytes -= text->len;
		block->is_cut = true;
		free_text(&block->messages, text);
	}
}

static void take_request(struct block *block, const struct log_event *event, struct str request)
{
	const struct past *past = block->past;
	struct past_text *text;

	if (map_get(past->resolved, request) != NULL) {
		return;
	}
	text = text_of(event);
	if (text == NULL) {
		return;
	}
	text->request = mem_strndup(request);
	TAILQ_INSERT_TAIL(&block->pending, text, link);
	block->pending_bytes += text->len;
	while (past->pending_bytes + block->pending_bytes > PAST_PENDING_MAX &&
	       TAILQ_FIRST(&block->pending) != text) {
		block->pending_bytes -= TAILQ_FIRST(&block->pending)->len;
		free_text(&block->pending, TAILQ_FIRST(&block->pending));
	}
}

static void take_answer(struct block *block, struct str request)
{
	struct past_text *text, *next;

	(void)map_put(block->resolved, request, &mark);
	for (text = TAILQ_FIRST(&block->pending); text != NULL; text = next) {
		next = TAILQ_NEXT(text, link);
		if (str_eq(str_of(text->request), request)) {
			block->pending_bytes -= text->len;
			free_text(&block->pending, text);
		}
	}
}

/* Whoever had asked before is gone. */
static void settle(struct block *block)
{
	free_texts(&block->pending);
	block->pending_bytes = 0;
	block->settles = true;
}

static void take_number(const struct json_value *value, char ret[PAST_NUMBER_MAX])
{
	struct buf text;

	buf_init(&text, PAST_NUMBER_MAX - 1);
	if (json_type_of(value) == JSON_T_NUMBER) {
		json_format(value, &text);
		if (!buf_failed(&text)) {
			(void)str_copy(ret, PAST_NUMBER_MAX, buf_str(&text));
		}
	}
	buf_fini(&text);
}

static bool ends_agent(const struct log_event *event, enum event_type type,
                       const struct json_value *data)
{
	struct str cause = json_as_str(json_get(data, "cause"));
	enum session_state state;

	if (type == EVENT_TYPE_EPOCH) {
		return str_eq(cause, STR_LIT("lease")) || str_eq(cause, STR_LIT("requeue")) ||
		       str_eq(cause, STR_LIT("cancel"));
	}
	return type == EVENT_TYPE_STATUS && session_state_parse(event->state, &state) &&
	       session_is_terminal(state);
}

/* What is not a message: its data decides. */
static void take_fact(struct block *block, const struct log_event *event, enum event_type type)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);
	struct str request = json_as_str(json_get(data, "request_id"));

	if (type == EVENT_TYPE_PERMISSION_REQUEST && request.n > 0) {
		take_request(block, event, request);
	} else if (type == EVENT_TYPE_PERMISSION_RESOLVED && request.n > 0) {
		take_answer(block, request);
	} else if (ends_agent(event, type, data)) {
		settle(block);
	} else if (type == EVENT_TYPE_COST) {
		take_number(json_get(data, "usd"), block->cost);
	} else if (type == EVENT_TYPE_TURN_STARTED) {
		take_number(json_get(data, "turn"), block->turns);
	}
}

static void take(void *arg, const struct log_event *event)
{
	struct block *block = arg;
	enum event_type type;

	if (!event_type_parse(event->type, &type)) {
		return;
	}
	if (!consumer_frame_is_history(type)) {
		take_fact(block, event, type);
	} else if (wants_messages(block->past)) {
		take_message(block, event);
	}
}

/* ---- blocks together ---- */

static void add_front(struct past_texts *list, struct past_texts *older)
{
	TAILQ_CONCAT(older, list, link);
	TAILQ_CONCAT(list, older, link);
}

static void join_pending(struct past *past, struct block *block)
{
	size_t at = 0;
	struct str request;
	void *ignored;

	if (past->wants_pending && !past->is_settled) {
		add_front(&past->pending, &block->pending);
		past->pending_bytes += block->pending_bytes;
	} else {
		free_texts(&block->pending);
	}
	while (map_next(block->resolved, &at, &request, &ignored)) {
		(void)map_put(past->resolved, request, &mark);
	}
	past->is_settled = past->is_settled || block->settles;
}

static void join(struct past *past, struct block *block, uint64_t after)
{
	bool wanted = wants_messages(past);

	add_front(&past->messages, &block->messages);
	past->message_count += block->message_count;
	past->message_bytes += block->message_bytes;
	past->is_full = past->is_full || block->is_cut;
	if (wanted) {
		const struct past_text *oldest = TAILQ_FIRST(&past->messages);

		past->has_more = block->is_cut || after > 0;
		past->before = oldest != NULL && !wants_messages(past) ? oldest->n : after + 1;
	}
	if (past->cost[0] == '\0') {
		memcpy(past->cost, block->cost, sizeof(past->cost));
	}
	if (past->turns[0] == '\0') {
		memcpy(past->turns, block->turns, sizeof(past->turns));
	}
	join_pending(past, block);
	map_free(block->resolved);
}

static bool has_all(const struct past *past)
{
	return !wants_messages(past) && (!past->wants_pending || past->is_settled);
}

enum err_code past_look(struct past *past, struct err *err)
{
	struct between between = { .store = past->store,
		                   .pg = past->pg,
		                   .sid = past->sid,
		                   .tenant = past->tenant,
		                   .each = take };
	uint64_t through = past->through;
	enum err_code code = ERR_OK;

	TAILQ_INIT(&past->messages);
	TAILQ_INIT(&past->pending);
	past->resolved = map_new();
	past->before = through + 1;
	while (code == ERR_OK && through > 0 && between.reads < PAST_READS_MAX && !has_all(past)) {
		uint64_t after = through > BETWEEN_BLOCK ? through - BETWEEN_BLOCK : 0;
		struct block block = { .past = past, .resolved = map_new() };

		TAILQ_INIT(&block.messages);
		TAILQ_INIT(&block.pending);
		between.arg = &block;
		code = between_read(&between, after, through, err);
		join(past, &block, after);
		through = after;
	}
	return code;
}

void past_fini(struct past *past)
{
	free_texts(&past->messages);
	free_texts(&past->pending);
	map_free(past->resolved);
}
