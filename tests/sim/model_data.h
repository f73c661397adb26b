/* The values of the model; for its own files. */
#pragma once

#include "base/attr.h"
#include "tests/sim/model.h"

enum value_type { VALUE_STRING, VALUE_HASH, VALUE_ZSET, VALUE_SET, VALUE_STREAM };

struct pair {
	struct str name, value; /* owned */
};

struct member {
	struct str name; /* owned */
	double score;
};

struct entry {
	uint64_t epoch, n;
	struct pair *fields;
	size_t count;
};

struct value {
	char *key;
	size_t key_len, at; /* at: in model.values */
	uint64_t hash;
	enum value_type type;
	int64_t expires_ms; /* 0: never */
	struct str text;
	struct pair *fields;    /* hash */
	struct member *members; /* zset, sorted */
	struct entry *entries;  /* stream */
	size_t count;           /* of whichever */
	uint64_t last_epoch, last_n;
};

struct model {
	struct value **values;
	size_t count, room;
	struct value **places; /* by the key's hash, a power of two, never more than half full */
	size_t places_count;
	bool sorted; /* values, by key */
	int64_t now_ms;
	uint64_t published;
	unsigned (*on_publish)(void *arg, struct str channel, struct str payload);
	void *publish_arg;
	uint64_t calls; /* of the last script */
	bool changed;   /* by it */
	struct str tag; /* of its keys */
	void *lua;      /* lua_State */
};

/* Blocks of a few sizes that are used again and again; the size is given back with the block. */
size_t pool_class(size_t size);
void *pool_take(size_t size); /* not cleared */
void pool_give(void *block, size_t size);

/* "%.17g", which is how Redis writes numbers. */
enum { NUMBER_SIZE = 40 };
struct str number_format(double v, char out[NUMBER_SIZE]);
bool number_parse(struct str s, double *ret) MUST_CHECK;

struct str text_copy(struct str s);
/* NULL when it is not there. *ret_wrong is set when it is of another type. */
struct value *value_find(struct model *model, struct str key, enum value_type type,
                         bool *ret_wrong);
struct value *value_make(struct model *model, struct str key, enum value_type type);
bool value_remove(struct model *model, struct str key);
void value_drop_if_empty(struct model *model, struct value *value); /* not streams */

struct pair *hash_find(struct value *hash, struct str name);
bool hash_set(struct value *hash, struct str name, struct str value); /* true: new */
bool hash_remove(struct value *hash, struct str name);

struct member *zset_find(struct value *zset, struct str name);
bool zset_set(struct value *zset, struct str name, double score); /* true: new */
bool zset_remove(struct value *zset, struct str name);

void stream_append(struct value *stream, uint64_t epoch, uint64_t n, const struct str *fields,
                   size_t count);
void stream_drop_front(struct value *stream, size_t count);
