/* The values of the model; for its own files. */
#pragma once

#include "tests/sim/model.h"

enum value_type { VALUE_STRING, VALUE_HASH, VALUE_ZSET, VALUE_STREAM };

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
	struct value **values; /* sorted by key */
	size_t count;
	int64_t now_ms;
	uint64_t published;
	void *lua; /* lua_State */
};

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
