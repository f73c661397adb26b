#include "tests/sim/model_data.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- memory ---- */

enum { CLASS_BYTES = 16, CLASSES = 64, BLOCK = 256 * 1024 };

struct hollow {
	struct hollow *next;
};

static struct hollow *hollows[CLASSES + 1];

/* 0: too large for a class. */
size_t pool_class(size_t size)
{
	size_t class = (size + CLASS_BYTES - 1) / CLASS_BYTES;

	return class <= CLASSES ? class : 0;
}

void *pool_take(size_t size)
{
	static char *block;
	static size_t left;
	size_t class = pool_class(size);
	struct hollow *hollow;

	if (class == 0) {
		return mem_realloc(NULL, size);
	}
	hollow = hollows[class];
	if (hollow != NULL) {
		hollows[class] = hollow->next;
		return hollow;
	}
	if (left < class * CLASS_BYTES) { /* for the life of the process */
		block = mem_realloc(NULL, BLOCK);
		left = BLOCK;
	}
	left -= class * CLASS_BYTES;
	block += class * CLASS_BYTES;
	return block - class * CLASS_BYTES;
}

void pool_give(void *block, size_t size)
{
	size_t class = pool_class(size);
	struct hollow *hollow = block;

	if (class == 0) {
		free(block);
		return;
	}
	hollow->next = hollows[class];
	hollows[class] = hollow;
}

/* ---- numbers ---- */

struct str number_format(double v, char out[NUMBER_SIZE])
{
	int64_t whole = fabs(v) < 1e15 ? (int64_t)v : 0;
	char *at = out + NUMBER_SIZE;
	uint64_t left;

	if (fabs(v) >= 1e15 || (double)whole != v || (whole == 0 && signbit(v) != 0)) {
		int n = snprintf(out, NUMBER_SIZE, "%.17g", v);

		return str_make(out, (size_t)n);
	}
	left = (uint64_t)(whole < 0 ? -whole : whole);
	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (whole < 0) {
		*--at = '-';
	}
	return str_make(at, (size_t)(out + NUMBER_SIZE - at));
}

bool number_parse(struct str s, double *ret)
{
	char text[64], *end;
	uint64_t whole;

	if (s.n > 0 && s.n <= 15 && parse_u64(s, UINT64_MAX, &whole)) {
		*ret = (double)whole;
		return true;
	}
	if (!str_copy(text, sizeof(text), s) || s.n == 0) {
		return false;
	}
	*ret = strtod(text, &end);
	return *end == '\0';
}

/* ---- values ---- */

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
		case VALUE_SET:
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

/* ---- the table of keys: linear probing ---- */

static uint64_t hash_of(struct str key)
{
	uint64_t h = 14695981039346656037U;

	for (size_t i = 0; i < key.n; i++) {
		h = (h ^ (unsigned char)key.p[i]) * 1099511628211U;
	}
	return h ^ (h >> 29);
}

static size_t place_of(const struct model *model, struct str key, uint64_t hash)
{
	size_t mask = model->places_count - 1, i = hash & mask;

	while (model->places[i] != NULL &&
	       (model->places[i]->hash != hash || model->places[i]->key_len != key.n ||
	        memcmp(model->places[i]->key, key.p, key.n) != 0)) {
		i = (i + 1) & mask;
	}
	return i;
}

static void make_room(struct model *model)
{
	if (model->count == model->room) {
		model->room = model->room * 2 + 64;
		model->values = mem_realloc(model->values, model->room * sizeof(struct value *));
	}
	if (model->count * 2 < model->places_count) {
		return;
	}
	free(model->places);
	model->places_count = model->places_count > 0 ? model->places_count * 2 : 256;
	model->places = mem_calloc(model->places_count, sizeof(struct value *));
	for (size_t i = 0; i < model->count; i++) {
		struct value *value = model->values[i];

		model->places[place_of(model, str_make(value->key, value->key_len), value->hash)] =
			value;
	}
}

struct value *value_find(struct model *model, struct str key, enum value_type type, bool *ret_wrong)
{
	struct value *value =
		model->count > 0 ? model->places[place_of(model, key, hash_of(key))] : NULL;

	if (value != NULL && value->type != type) {
		*ret_wrong = true;
		return NULL;
	}
	return value;
}

struct value *value_make(struct model *model, struct str key, enum value_type type)
{
	struct value *value = mem_calloc(1, sizeof(*value));

	make_room(model);
	value->key = mem_strndup(key);
	value->key_len = key.n;
	value->hash = hash_of(key);
	value->type = type;
	value->at = model->count;
	model->places[place_of(model, key, value->hash)] = value;
	model->values[model->count++] = value;
	model->sorted = false;
	return value;
}

/* What was pushed on by the one that goes moves back. */
static void vacate(struct model *model, size_t i)
{
	size_t mask = model->places_count - 1;

	model->places[i] = NULL;
	for (size_t k = (i + 1) & mask; model->places[k] != NULL; k = (k + 1) & mask) {
		size_t home = model->places[k]->hash & mask;

		if (((k - home) & mask) >= ((k - i) & mask)) {
			model->places[i] = model->places[k];
			model->places[k] = NULL;
			i = k;
		}
	}
}

bool value_remove(struct model *model, struct str key)
{
	size_t place = model->count > 0 ? place_of(model, key, hash_of(key)) : 0;
	struct value *value = model->count > 0 ? model->places[place] : NULL;

	if (value == NULL) {
		return false;
	}
	vacate(model, place);
	model->values[value->at] = model->values[--model->count];
	model->values[value->at]->at = value->at;
	model->sorted = false;
	value_free(value);
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
	if (model->places_count > 0) {
		memset(model->places, 0, model->places_count * sizeof(struct value *));
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

void model_set_now(struct model *model, int64_t now_ms)
{
	model->now_ms = now_ms;
}

int64_t model_now(const struct model *model)
{
	return model->now_ms;
}

uint64_t model_published(const struct model *model)
{
	return model->published;
}

void model_on_publish(struct model *model,
                      unsigned (*fn)(void *arg, struct str channel, struct str payload), void *arg)
{
	model->on_publish = fn;
	model->publish_arg = arg;
}

uint64_t model_calls(const struct model *model)
{
	return model->calls;
}

bool model_changed(const struct model *model)
{
	return model->changed;
}

static int compare_keys(const void *a, const void *b)
{
	const struct value *const *x = a, *const *y = b;

	return compare(str_make((*x)->key, (*x)->key_len), str_make((*y)->key, (*y)->key_len));
}

static void sort(struct model *model)
{
	qsort(model->values, model->count, sizeof(struct value *), compare_keys);
	for (size_t i = 0; i < model->count; i++) {
		model->values[i]->at = i;
	}
	model->sorted = true;
}

const char *model_key(struct model *model, size_t i, const char **ret_type)
{
	static const char *const names[] = { "string", "hash", "zset", "stream" };

	if (i >= model->count) {
		return NULL;
	}
	if (!model->sorted) {
		sort(model);
	}
	*ret_type = names[model->values[i]->type];
	return model->values[i]->key;
}
