/* Any bytes as a body of a table that has every kind: no crash, no leak, and what was accepted
 * can be written and accepted again. */
#include <stdlib.h>

#include "json/decode.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct inner {
	int64_t number;
	struct str raw;
};

struct outer {
	struct str name;
	uint64_t size;
	bool flag;
	unsigned kind;
	struct inner inner;
	struct json_list list, words, labels;
	size_t custom;
};

static const char *const kinds[] = { "a", "b", NULL };

static void count_parts(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems)
{
	if (json_type_of(value) == JSON_T_STRING) {
		json_problem_add(problems, arena, path, "must not be a string");
	}
	*(size_t *)out = json_count(value);
}

#define AT(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const struct json_field inner_fields[] = {
	{ .name = "number", .kind = JSON_I64, AT(inner, number) },
	{ .name = "raw", .kind = JSON_RAW, AT(inner, raw), .max = 512 },
};

static const struct json_table inner_table = { "Inner", sizeof(struct inner), inner_fields,
	                                       ARRAY_LEN(inner_fields) };

static const struct json_field outer_fields[] = {
	{ .name = "name", .kind = JSON_STR, AT(outer, name), .min = 1, .max = 64 },
	{ .name = "size", .alias = "length", .kind = JSON_U64, AT(outer, size), .max = 100 },
	{ .name = "flag", .kind = JSON_BOOL, .flags = JSON_NULLABLE, AT(outer, flag) },
	{ .name = "kind", .kind = JSON_ENUM, AT(outer, kind), .names = kinds },
	{ .name = "inner", .kind = JSON_OBJECT, AT(outer, inner), .table = &inner_table },
	{ .name = "list", .kind = JSON_ARRAY, AT(outer, list), .max = 8, .table = &inner_table },
	{ .name = "words", .kind = JSON_STRINGS, AT(outer, words), .max = 8, .item_max = 32 },
	{ .name = "labels", .kind = JSON_MAP, AT(outer, labels), .max = 8, .name_max = 16 },
	{ .name = "custom", .kind = JSON_CUSTOM, AT(outer, custom), .decode = count_parts },
};

static const struct json_table outer_table = { "Outer", sizeof(struct outer), outer_fields,
	                                       ARRAY_LEN(outer_fields) };

static void write_again(const struct outer *outer, struct buf *out)
{
	const struct json_pair *labels = outer->labels.items;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	if (outer->name.n > 0) {
		jsonw_str(&w, "name", outer->name);
	}
	jsonw_u64(&w, "size", outer->size);
	jsonw_object(&w, "labels");
	for (size_t i = 0; i < outer->labels.count; i++) {
		jsonw_member(&w, labels[i].name, labels[i].value);
	}
	jsonw_end_object(&w);
	jsonw_object(&w, "inner");
	if (outer->inner.raw.n > 0) {
		jsonw_raw(&w, "raw", outer->inner.raw);
	}
	jsonw_end_object(&w);
	jsonw_end_object(&w);
}

static void check_round_trip(const struct outer *first, struct arena *arena)
{
	struct json_problems problems;
	struct outer second;
	struct buf out;

	buf_init(&out, 1 << 20);
	write_again(first, &out);
	if (json_decode(buf_str(&out), &outer_table, &second, arena, &problems) != ERR_OK ||
	    !str_eq(first->name, second.name) || first->labels.count != second.labels.count ||
	    !str_eq(first->inner.raw, second.inner.raw)) {
		abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct json_problems problems;
	struct outer outer;
	struct buf out;

	if (json_decode(str_make((const char *)data, size), &outer_table, &outer, arena,
	                &problems) == ERR_OK) {
		check_round_trip(&outer, arena);
	} else {
		buf_init(&out, 1 << 20);
		json_problems_format(&problems, &out);
		buf_fini(&out);
	}
	arena_free(arena);
	return 0;
}
