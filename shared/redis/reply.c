#include "redis/reply.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* 1.0 widened the count of an array and added two RESP3 types. */
#if HIREDIS_MAJOR >= 1
typedef size_t reader_count;
#else
typedef int reader_count;
#endif

struct redis_parser {
	redisReader *reader;
	size_t held; /* bytes of the reply that is not whole yet */
};

/* An element lies inside its parent's block; only the root is allocated by itself. */
static struct redis_reply *place(const redisReadTask *task, enum redis_type type)
{
	struct redis_reply *reply;

	if (task->parent != NULL) {
		struct redis_reply *parent = task->parent->obj;

		reply = &parent->elements[task->idx];
	} else {
		reply = mem_calloc(1, sizeof(*reply));
	}
	reply->type = type;
	return reply;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t n)
{
	struct redis_reply *reply;
	enum redis_type type;

	if (task->type == REDIS_REPLY_ERROR) {
		type = REDIS_ERROR;
	} else if (task->type == REDIS_REPLY_STATUS) {
		type = REDIS_STATUS;
	} else if (task->type == REDIS_REPLY_STRING) {
		type = REDIS_STRING;
	} else {
		return NULL;
	}
	reply = place(task, type);
	reply->text = mem_strndup(str_make(bytes, n));
	reply->n = n;
	return reply;
}

static bool too_deep(const redisReadTask *task)
{
	int depth = 1;

	while ((task = task->parent) != NULL) {
		depth++;
	}
	return depth > REDIS_DEPTH_MAX;
}

static void *create_array(const redisReadTask *task, reader_count count)
{
	struct redis_reply *reply;

	if (task->type != REDIS_REPLY_ARRAY || count > REDIS_ELEMENTS_MAX || too_deep(task)) {
		return NULL;
	}
	reply = place(task, REDIS_ARRAY);
	reply->n = (size_t)count;
	reply->elements = count > 0 ? mem_calloc(reply->n, sizeof(*reply->elements)) : NULL;
	return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *reply = place(task, REDIS_INTEGER);

	reply->integer = value;
	return reply;
}

static void *create_nil(const redisReadTask *task)
{
	return place(task, REDIS_NIL);
}

#if HIREDIS_MAJOR >= 1
static void *refuse_double(const redisReadTask *task, double value, char *bytes, size_t n)
{
	(void)task;
	(void)value;
	(void)bytes;
	(void)n;
	return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
	(void)task;
	(void)value;
	return NULL;
}
#endif

static void free_inside(struct redis_reply *reply)
{
	switch (reply->type) {
	case REDIS_ARRAY:
		for (size_t i = 0; i < reply->n; i++) {
			free_inside(&reply->elements[i]); /* at most REDIS_DEPTH_MAX deep */
		}
		free(reply->elements);
		break;
	case REDIS_STRING:
	case REDIS_STATUS:
	case REDIS_ERROR: free(reply->text); break;
	case REDIS_NIL:
	case REDIS_INTEGER: break;
	}
}

static void free_object(void *object)
{
	redis_reply_free(object);
}

static redisReplyObjectFunctions reader_functions = {
	.createString = create_string,
	.createArray = create_array,
	.createInteger = create_integer,
	.createNil = create_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = refuse_double,
	.createBool = refuse_bool,
#endif
	.freeObject = free_object,
};

struct redis_parser *redis_parser_new(void)
{
	struct redis_parser *parser = mem_calloc(1, sizeof(*parser));

	parser->reader = redisReaderCreateWithFunctions(&reader_functions);
	assert(parser->reader != NULL);
	parser->reader->maxbuf = REDIS_FEED;
	return parser;
}

void redis_parser_free(struct redis_parser *parser)
{
	if (parser != NULL) {
		redisReaderFree(parser->reader);
		free(parser);
	}
}

bool redis_parser_feed(struct redis_parser *parser, const char *bytes, size_t n)
{
	parser->held += n;
	return parser->held <= REDIS_REPLY_MAX &&
	       redisReaderFeed(parser->reader, bytes, n) == REDIS_OK;
}

enum err_code redis_parser_next(struct redis_parser *parser, struct redis_reply **ret,
                                struct err *err)
{
	void *reply = NULL;

	if (redisReaderGetReply(parser->reader, &reply) != REDIS_OK) {
		return err_set(err, ERR_BACKEND, "redis: not a reply: %s", parser->reader->errstr);
	}
	if (reply != NULL) {
		parser->held = parser->reader->len - parser->reader->pos;
	}
	*ret = reply;
	return ERR_OK;
}

/* Answers that say the command did not run and may be tried again. */
static bool refused_for_now(struct str text)
{
	static const char *const kinds[] = {
		"LOADING", "READONLY", "MASTERDOWN", "TRYAGAIN",    "OOM",
		"BUSY",    "MISCONF",  "NOREPLICAS", "CLUSTERDOWN",
	};
	struct str kind = str_split(&text, ' ');

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kind, str_of(kinds[i]))) {
			return true;
		}
	}
	return false;
}

enum err_code redis_reply_error(const struct redis_reply *reply, struct err *err)
{
	struct str text = redis_reply_str(reply);

	return err_set(err, refused_for_now(text) ? ERR_UNAVAILABLE : ERR_BACKEND, "%" STR_FMT,
	               STR_ARG(text));
}

void redis_reply_free(struct redis_reply *reply)
{
	if (reply != NULL) {
		free_inside(reply);
		free(reply);
	}
}

void redis_reply_cleanup(struct redis_reply **reply)
{
	redis_reply_free(*reply);
}

enum redis_type redis_reply_type(const struct redis_reply *reply)
{
	return reply->type;
}

struct str redis_reply_str(const struct redis_reply *reply)
{
	switch (reply->type) {
	case REDIS_STRING:
	case REDIS_STATUS:
	case REDIS_ERROR: return str_make(reply->text, reply->n);
	case REDIS_NIL:
	case REDIS_INTEGER:
	case REDIS_ARRAY: break;
	}
	return STR_LIT("");
}

int64_t redis_reply_int(const struct redis_reply *reply)
{
	return reply->type == REDIS_INTEGER ? reply->integer : 0;
}

size_t redis_reply_len(const struct redis_reply *reply)
{
	return reply->type == REDIS_ARRAY ? reply->n : 0;
}

const struct redis_reply *redis_reply_at(const struct redis_reply *reply, size_t i)
{
	static const struct redis_reply nil = { .type = REDIS_NIL };

	return i < redis_reply_len(reply) ? &reply->elements[i] : &nil;
}

bool redis_reply_u64(const struct redis_reply *reply, uint64_t *ret)
{
	if (reply->type == REDIS_INTEGER && reply->integer >= 0) {
		*ret = (uint64_t)reply->integer;
		return true;
	}
	return reply->type == REDIS_STRING && parse_u64(redis_reply_str(reply), UINT64_MAX, ret);
}
