/* Streams as records, and records as streams. */
#pragma once

#include "base/attr.h"

struct arena;
struct http_conn;
struct node;
struct record;

enum move {
	MOVE_NOW,
	MOVE_LATER, /* it is busy for a moment */
	MOVE_NEVER,
};

/* A frozen stream; strings and the rest belong to it or to the arena. */
enum move move_out(struct http_conn *conn, struct arena *arena, struct record *ret) MUST_CHECK;
/* Go on with it; the descriptor is taken. */
void move_in(struct node *node, const struct record *record, int fd);
