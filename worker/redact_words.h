/*
 * All that is looked for, as one automaton (Aho and Corasick, 1975): after each byte it is at
 * the node of the longest word of which the bytes before are the begin.  Nodes name their children
 * in a list: values are long and a table of 256 a node would be megabytes for each session.
 * Private to worker/redact*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/redact.h"

enum { REDACT_ROOT = 0, REDACT_NONE = UINT16_MAX };

struct redact_node {
	uint32_t child, sibling; /* 0: none */
	uint32_t fail;           /* the longest other word's begin that ends here */
	uint32_t found;          /* the next node along fail where a word ends, 0: none */
	uint32_t depth;
	uint16_t pattern; /* whose literal ends here, or REDACT_NONE */
	uint16_t value;   /* that ends here in one of its forms, or REDACT_NONE */
	uint16_t part_of; /* a value that goes through here, or REDACT_NONE */
	unsigned char byte;
};

struct redact {
	struct redact_node *nodes;
	size_t count, size;
	uint32_t first[256]; /* children of the root */
	char **names;        /* of the values */
	size_t value_count;
};

/* Whether the bytes are the begin of a word, as far as the first two can tell. Not for n 0. */
bool redact_begins(const struct redact *redact, const char *bytes, size_t n);

/* From a node to the next by a byte. */
uint32_t redact_step(const struct redact *redact, uint32_t node, unsigned char byte);
