#include "queue/keys.h"

#include <stdio.h>

#include "redis/redis.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static void make(const struct queue *queue, const char *rest, char out[QUEUE_KEY_SIZE])
{
	const unsigned shards = queue->shards > 0 ? queue->shards : redis_shards(queue->redis);

	(void)snprintf(out, QUEUE_KEY_SIZE, "{q%u/%u}%s", queue->shard, shards, rest);
}

void queue_key_tag(const struct queue *queue, char out[QUEUE_KEY_SIZE])
{
	make(queue, "", out);
}

void queue_key_items(const struct queue *queue, char out[QUEUE_KEY_SIZE])
{
	make(queue, ":i", out);
}

void queue_key_set(const struct queue *queue, enum queue_set set, char out[QUEUE_KEY_SIZE])
{
	char rest[QUEUE_KEY_SIZE];

	(void)snprintf(rest, sizeof(rest), ":%s", queue_set_name(set));
	make(queue, rest, out);
}

void queue_key_bell(const struct queue *queue, char out[QUEUE_KEY_SIZE])
{
	make(queue, ":bell", out);
}

void lease_key_tag(char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w}");
}

void lease_key_bell(char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w}:bell");
}

void mail_key_box(const char *worker, char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w:%.*s}:mail", QUEUE_WORKER_MAX, worker);
}

void mail_key_last(const char *worker, char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w:%.*s}:last", QUEUE_WORKER_MAX, worker);
}

void mail_key_answer(const char *name, char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w}:answer:%.*s", QUEUE_WORKER_MAX, name);
}

void mail_key_bell(const char *worker, char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w:%.*s}:bell", QUEUE_WORKER_MAX, worker);
}

void mail_key_aloud(const char *worker, char out[QUEUE_KEY_SIZE])
{
	(void)snprintf(out, QUEUE_KEY_SIZE, "{w:%.*s}:aloud", QUEUE_WORKER_MAX, worker);
}

bool queue_name_ok(const char *name)
{
	size_t n = strspn(name, NAME_CHARS);

	return n > 0 && n <= QUEUE_WORKER_MAX && name[n] == '\0';
}

bool queue_words_fit(const char *words, size_t max)
{
	size_t n = strspn(words, NAME_CHARS "/=+,");

	return n <= max && words[n] == '\0';
}

bool queue_words_ok(const char *words)
{
	return queue_words_fit(words, QUEUE_NEEDS_MAX);
}
