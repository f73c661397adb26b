/*
 * The screen of `fairlead top`: what the API said, as lines of just that width and height.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "json/value.h"

enum top_tab { TOP_NODES, TOP_WORKERS, TOP_QUEUE, TOP_WAITS, TOP_FAILURES, TOP_TABS };

enum { TOP_COLS_MIN = 20, TOP_ROWS_MIN = 6, TOP_COLS_MAX = 512, TOP_ROWS_MAX = 256 };

struct top_view {
	unsigned cols, rows;
	bool styled; /* the title and the tab that is shown stand out: escape codes */
	enum top_tab tab;
	unsigned sort[TOP_TABS]; /* 1 + a column; 0: as it came */
	bool descends[TOP_TABS];
	size_t first[TOP_TABS]; /* row that is shown first */
	const char *server;
	int64_t now_us;
	/* Answers; NULL: there is none yet. lists[]: of each tab, {"items": [...]}. */
	const struct json_value *lists[TOP_TABS];
	const char *problem; /* why what is shown is old; "": it is not */
};

/* The keys of the one that looks. */
enum top_key {
	TOP_KEY_NONE,
	TOP_KEY_QUIT,
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_TAB,
	TOP_KEY_SORT,
	TOP_KEY_REVERSE
};

/* The key that bytes begin with, and how many bytes it is; 0: they are not all here. */
size_t top_key(struct str bytes, enum top_key *ret);
/* False: to quit. */
bool top_press(struct top_view *view, enum top_key key);

/* Exactly view->rows lines of at most view->cols columns, with "\r\n" between them. */
void top_draw(struct top_view *view, struct buf *out);
/* All tabs in full, one under the other, for files and pipes. */
void top_print(struct top_view *view, struct buf *out);
