#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/render.h"
#include "json/value.h"

enum { CELL_MAX = 64 * 1024, WIDE = 48, TIME_LEN = 19, COLUMNS_MAX = 24 };

/* "2026-11-21T20:15:03": to the second. */
static struct str shorten(struct str text)
{
	bool is_time = text.n > TIME_LEN && text.p[4] == '-' && text.p[10] == 'T' &&
	               text.p[text.n - 1] == 'Z' && text.p[13] == ':';

	return is_time ? str_make(text.p, TIME_LEN) : text;
}

static void add_value(struct buf *out, const struct json_value *value)
{
	switch (json_type_of(value)) {
	case JSON_T_NULL: buf_add_char(out, '-'); break;
	case JSON_T_BOOL: buf_add_cstr(out, json_as_bool(value) ? "yes" : "no"); break;
	case JSON_T_STRING: {
		struct str text = shorten(json_as_str(value));

		for (size_t i = 0; i < text.n; i++) {
			buf_add_char(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
		}
		break;
	}
	case JSON_T_ARRAY:
		for (size_t i = 0; i < json_count(value); i++) {
			buf_add_cstr(out, i > 0 ? "," : "");
			add_value(out, json_at(value, i));
		}
		break;
	case JSON_T_NUMBER:
	case JSON_T_OBJECT: json_format(value, out); break;
	}
}

/* What people see as characters, but for those that are wide or combine. */
static size_t width_of(struct str text)
{
	size_t width = 0;

	for (size_t i = 0; i < text.n; i++) {
		width += ((unsigned char)text.p[i] & 0xc0U) != 0x80U;
	}
	return width;
}

static void cell_of(const struct json_value *item, const struct column *column, struct buf *out)
{
	buf_init(out, CELL_MAX);
	add_value(out, json_get(item, column->member));
	if (out->len == 0) {
		buf_add_char(out, '-');
	}
}

static size_t measure(const struct json_value *items, const struct column *column)
{
	size_t width = strlen(column->title);

	for (size_t i = 0; i < json_count(items); i++) {
		struct buf cell;
		size_t wide;

		cell_of(json_at(items, i), column, &cell);
		wide = width_of(buf_str(&cell));
		width = wide > width ? wide : width;
		buf_fini(&cell);
	}
	return width < WIDE ? width : WIDE;
}

static void print_cell(struct str text, size_t width, bool last)
{
	render_text(stdout, text);
	if (!last) {
		size_t wide = width_of(text);

		(void)printf("%*s", (int)(wide < width ? width - wide : 0) + 1, "");
	}
}

static void print_items(const struct json_value *items, const struct column *columns, size_t count)
{
	size_t widths[COLUMNS_MAX], last = 0;

	for (size_t c = 0; c < count; c++) {
		widths[c] = columns[c].title != NULL ? measure(items, &columns[c]) : 0;
		last = columns[c].title != NULL ? c : last;
	}
	for (size_t c = 0; c <= last; c++) {
		if (columns[c].title != NULL) {
			print_cell(str_of(columns[c].title), widths[c], c == last);
		}
	}
	(void)putchar('\n');
	for (size_t i = 0; i < json_count(items); i++) {
		for (size_t c = 0; c <= last; c++) {
			struct buf cell;

			if (columns[c].title == NULL) {
				continue;
			}
			cell_of(json_at(items, i), &columns[c], &cell);
			print_cell(buf_str(&cell), widths[c], c == last);
			buf_fini(&cell);
		}
		(void)putchar('\n');
	}
}

static void print_one(const struct json_value *item, const struct column *columns, size_t count)
{
	for (size_t c = 0; c < count; c++) {
		struct buf cell;

		if (json_type_of(json_get(item, columns[c].member)) == JSON_T_NULL) {
			continue;
		}
		cell_of(item, &columns[c], &cell);
		(void)printf("%-12s ", columns[c].member);
		render_text(stdout, buf_str(&cell));
		(void)putchar('\n');
		buf_fini(&cell);
	}
}

void table_print(struct str json, const struct column *columns, size_t count)
{
	struct err err;
	struct json_value *value = json_parse(json, &err);
	const struct json_value *items = json_get(value, "items");

	if (json_type_of(items) == JSON_T_ARRAY) {
		print_items(items, columns, count);
	} else {
		print_one(value, columns, count);
	}
	json_value_free(value);
}
