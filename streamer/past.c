#include "streamer/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/between.h"
#include "streamer/consumer_frame.h"
#include "streamer/frame.h"

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
	struct past_texts messages;
	size_t message_count, message_bytes;
	bool is_cut; /* messages of the block are left out, its oldest */
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

static void take(void *arg, const struct log_event *event)
{
	struct block *block = arg;
	enum event_type type;

	if (event_type_parse(event->type, &type) && consumer_frame_is_history(type)) {
		take_message(block, event);
	}
}

/* ---- blocks together ---- */

static void add_front(struct past_texts *list, struct past_texts *older)
{
	TAILQ_CONCAT(older, list, link);
	TAILQ_CONCAT(list, older, link);
}

static void join(struct past *past, struct block *block, uint64_t after)
{
	const struct past_text *oldest;

	add_front(&past->messages, &block->messages);
	past->message_count += block->message_count;
	past->message_bytes += block->message_bytes;
	past->is_full = block->is_cut;
	past->has_more = block->is_cut || after > 0;
	oldest = TAILQ_FIRST(&past->messages);
	past->before = oldest != NULL && !wants_messages(past) ? oldest->n : after + 1;
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
	past->before = through + 1;
	while (code == ERR_OK && through > 0 && between.reads < PAST_READS_MAX &&
	       wants_messages(past)) {
		uint64_t after = through > BETWEEN_BLOCK ? through - BETWEEN_BLOCK : 0;
		struct block block = { .past = past };

		TAILQ_INIT(&block.messages);
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
}
