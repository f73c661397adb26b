#include "tests/sim/model_data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct str text_copy(struct str s)
{
	return str_make(mem_strndup(s), s.n);
}

static void text_free(struct str s)
{
	free((char *)(uintptr_t)s.p);
}

static int compare(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static void entry_fini(struct entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		text_free(entry->fields[i].name);
		text_free(entry->fields[i].value);
	}
	free(entry->fields);
}

static void value_free(struct value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		switch (value->type) {
		case VALUE_STRING: break;
		case VALUE_HASH:
			text_free(value->fields[i].name);
			text_free(value->fields[i].value);
			break;
		case VALUE_ZSET: text_free(value->members[i].name); break;
		case VALUE_STREAM: entry_fini(&value->entries[i]); break;
		}
	}
	text_free(value->text);
	free(value->fields);
	free(value->members);
	free(value->entries);
	free(value->key);
	free(value);
}

/* Where key is, or would be. */
static size_t place_of(const struct model *model, struct str key)
{
	size_t low = 0, high = model->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare(str_of(model->values[mid]->key), key) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static struct value *at_place(const struct model *model, size_t at, struct str key)
{
	return at < model->count && str_eq(str_of(model->values[at]->key), key) ? model->values[at]
	                                                                        : NULL;
}

struct value *value_find(struct model *model, struct str key, enum value_type type, bool *ret_wrong)
{
	struct value *value = at_place(model, place_of(model, key), key);

	if (value != NULL && value->type != type) {
		*ret_wrong = true;
		return NULL;
	}
	return value;
}

struct value *value_make(struct model *model, struct str key, enum value_type type)
{
	size_t at = place_of(model, key);
	struct value *value = mem_calloc(1, sizeof(*value));

	value->key = mem_strndup(key);
	value->type = type;
	model->values = mem_realloc(model->values, (model->count + 1) * sizeof(struct value *));
	memmove(&model->values[at + 1], &model->values[at],
	        (model->count - at) * sizeof(struct value *));
	model->values[at] = value;
	model->count++;
	return value;
}

bool value_remove(struct model *model, struct str key)
{
	size_t at = place_of(model, key);
	struct value *value = at_place(model, at, key);

	if (value == NULL) {
		return false;
	}
	value_free(value);
	model->count--;
	memmove(&model->values[at], &model->values[at + 1],
	        (model->count - at) * sizeof(struct value *));
	return true;
}

void value_drop_if_empty(struct model *model, struct value *value)
{
	if (value->count == 0) {
		(void)value_remove(model, str_of(value->key));
	}
}

struct pair *hash_find(struct value *hash, struct str name)
{
	for (size_t i = 0; hash != NULL && i < hash->count; i++) {
		if (str_eq(hash->fields[i].name, name)) {
			return &hash->fields[i];
		}
	}
	return NULL;
}

bool hash_set(struct value *hash, struct str name, struct str value)
{
	struct pair *pair = hash_find(hash, name);

	if (pair != NULL) {
		text_free(pair->value);
		pair->value = text_copy(value);
		return false;
	}
	hash->fields = mem_realloc(hash->fields, (hash->count + 1) * sizeof(*hash->fields));
	hash->fields[hash->count++] = (struct pair){ text_copy(name), text_copy(value) };
	return true;
}

bool hash_remove(struct value *hash, struct str name)
{
	struct pair *pair = hash_find(hash, name);
	size_t at;

	if (pair == NULL) {
		return false;
	}
	at = (size_t)(pair - hash->fields);
	text_free(pair->name);
	text_free(pair->value);
	hash->count--;
	memmove(pair, pair + 1, (hash->count - at) * sizeof(*pair));
	return true;
}

struct member *zset_find(struct value *zset, struct str name)
{
	for (size_t i = 0; zset != NULL && i < zset->count; i++) {
		if (str_eq(zset->members[i].name, name)) {
			return &zset->members[i];
		}
	}
	return NULL;
}

bool zset_remove(struct value *zset, struct str name)
{
	struct member *member = zset_find(zset, name);
	size_t at;

	if (member == NULL) {
		return false;
	}
	at = (size_t)(member - zset->members);
	text_free(member->name);
	zset->count--;
	memmove(member, member + 1, (zset->count - at) * sizeof(*member));
	return true;
}

bool zset_set(struct value *zset, struct str name, double score)
{
	struct member fresh = { text_copy(name), score };
	bool is_new = !zset_remove(zset, name);
	size_t at = 0;

	while (at < zset->count && (zset->members[at].score < score ||
	                            (zset->members[at].score <= score &&
	                             compare(zset->members[at].name, fresh.name) < 0))) {
		at++;
	}
	zset->members = mem_realloc(zset->members, (zset->count + 1) * sizeof(*zset->members));
	memmove(&zset->members[at + 1], &zset->members[at],
	        (zset->count - at) * sizeof(*zset->members));
	zset->members[at] = fresh;
	zset->count++;
	return is_new;
}

void stream_append(struct value *stream, uint64_t epoch, uint64_t n, const struct str *fields,
                   size_t count)
{
	struct entry entry = { epoch, n, mem_calloc(count / 2 + 1, sizeof(struct pair)),
		               count / 2 };

	for (size_t i = 0; i + 1 < count; i += 2) {
		entry.fields[i / 2] =
			(struct pair){ text_copy(fields[i]), text_copy(fields[i + 1]) };
	}
	stream->entries = mem_realloc(stream->entries, (stream->count + 1) * sizeof(entry));
	stream->entries[stream->count++] = entry;
	stream->last_epoch = epoch;
	stream->last_n = n;
}

void stream_drop_front(struct value *stream, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		entry_fini(&stream->entries[i]);
	}
	stream->count -= count;
	memmove(stream->entries, &stream->entries[count], stream->count * sizeof(*stream->entries));
}

/* ---- the store ---- */

void model_flush(struct model *model)
{
	while (model->count > 0) {
		value_free(model->values[--model->count]);
	}
}

void model_advance(struct model *model, int64_t ms)
{
	model->now_ms += ms;
	for (size_t i = model->count; i-- > 0;) {
		struct value *value = model->values[i];

		if (value->expires_ms != 0 && value->expires_ms <= model->now_ms) {
			(void)value_remove(model, str_of(value->key));
		}
	}
}

int64_t model_now(const struct model *model)
{
	return model->now_ms;
}

uint64_t model_published(const struct model *model)
{
	return model->published;
}

const char *model_key(const struct model *model, size_t i, const char **ret_type)
{
	static const char *const names[] = { "string", "hash", "zset", "stream" };

	if (i >= model->count) {
		return NULL;
	}
	*ret_type = names[model->values[i]->type];
	return model->values[i]->key;
}
