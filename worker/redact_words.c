#include "worker/redact_words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/write.h"
#include "worker/redact_pattern.h"

enum {
	FORM_MAX = 1024 * 1024, /* bytes of a value in a form of it */
	LINE_MIN = 16,          /* of a value of several lines: a shorter one proves nothing */
	NODES_MIN = 512,
};

/* ---- the automaton ---- */

static uint32_t find_child(const struct redact *r, uint32_t node, unsigned char byte)
{
	uint32_t child;

	if (node == REDACT_ROOT) {
		return r->first[byte];
	}
	child = r->nodes[node].child;
	while (child != 0 && r->nodes[child].byte != byte) {
		child = r->nodes[child].sibling;
	}
	return child;
}

bool redact_begins(const struct redact *r, const char *bytes, size_t n)
{
	uint32_t node = r->first[(unsigned char)bytes[0]];

	return node != 0 && (n < 2 || find_child(r, node, (unsigned char)bytes[1]) != 0);
}

uint32_t redact_step(const struct redact *r, uint32_t node, unsigned char byte)
{
	uint32_t next = find_child(r, node, byte);

	while (next == 0 && node != REDACT_ROOT) {
		node = r->nodes[node].fail;
		next = find_child(r, node, byte);
	}
	return next;
}

static void grow(struct redact *r)
{
	size_t size = r->size == 0 ? NODES_MIN : r->size * 2;
	struct redact_node *nodes = mem_calloc(size, sizeof(*nodes));

	if (r->size > 0) {
		memcpy(nodes, r->nodes, r->size * sizeof(*nodes));
		explicit_bzero(r->nodes, r->size * sizeof(*nodes));
	}
	free(r->nodes);
	r->nodes = nodes;
	r->size = size;
}

static uint32_t add_node(struct redact *r, uint32_t parent, unsigned char byte)
{
	uint32_t at = (uint32_t)r->count++;
	struct redact_node *node;

	if (r->count > r->size) {
		grow(r);
	}
	node = &r->nodes[at];
	*node = (struct redact_node){
		.pattern = REDACT_NONE, .value = REDACT_NONE, .part_of = REDACT_NONE, .byte = byte
	};
	if (at == REDACT_ROOT) {
		return at;
	}
	node->depth = r->nodes[parent].depth + 1;
	if (parent == REDACT_ROOT) {
		r->first[byte] = at;
	} else {
		node->sibling = r->nodes[parent].child;
		r->nodes[parent].child = at;
	}
	return at;
}

/* The node at its end. */
static uint32_t add_word(struct redact *r, struct str word, uint16_t value)
{
	uint32_t node = REDACT_ROOT;

	for (size_t i = 0; i < word.n; i++) {
		unsigned char byte = (unsigned char)word.p[i];
		uint32_t next = find_child(r, node, byte);

		node = next != 0 ? next : add_node(r, node, byte);
		if (value != REDACT_NONE && r->nodes[node].part_of == REDACT_NONE) {
			r->nodes[node].part_of = value;
		}
	}
	return node;
}

static void link_node(struct redact *r, uint32_t at, uint32_t parent)
{
	struct redact_node *node = &r->nodes[at];
	const struct redact_node *fail;

	node->fail = parent == REDACT_ROOT ? REDACT_ROOT
	                                   : redact_step(r, r->nodes[parent].fail, node->byte);
	fail = &r->nodes[node->fail];
	node->found = fail->pattern != REDACT_NONE || fail->value != REDACT_NONE ? node->fail
	                                                                         : fail->found;
}

/* By depth, so that what a node's fail link needs is there. */
static void link_all(struct redact *r)
{
	uint32_t *queue = mem_calloc(r->count, sizeof(*queue));
	size_t head = 0, tail = 0;

	for (size_t i = 0; i < ARRAY_LEN(r->first); i++) {
		if (r->first[i] != 0) {
			queue[tail++] = r->first[i];
			link_node(r, r->first[i], REDACT_ROOT);
		}
	}
	while (head < tail) {
		uint32_t parent = queue[head++];

		for (uint32_t at = r->nodes[parent].child; at != 0; at = r->nodes[at].sibling) {
			link_node(r, at, parent);
			queue[tail++] = at;
		}
	}
	free(queue);
}

/* ---- forms of a value ---- */

static void add_form(struct redact *r, struct str form, uint16_t value)
{
	uint32_t node;

	if (form.n < REDACT_VALUE_MIN) {
		return;
	}
	node = add_word(r, form, value);
	if (r->nodes[node].value == REDACT_NONE) {
		r->nodes[node].value = value;
	}
}

static void wipe(struct buf *buf)
{
	if (buf->data != NULL) {
		explicit_bzero(buf->data, buf->size);
	}
	buf_fini(buf);
}

/* RFC 4648 sections 4 and 5, of a value that begins `shift` bytes after a group of three: without
 * the characters that depend on what stands beside it. */
static void add_base64(struct redact *r, struct str v, uint16_t value, size_t shift)
{
	static const char digits[2][2] = { { '+', '/' }, { '-', '_' } };
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t first = shift == 0 ? 0 : shift + 1, last = (shift + v.n) * 8 / 6;

	for (int kind = 0; kind < 2; kind++) {
		struct buf form;

		buf_init(&form, FORM_MAX);
		for (size_t i = first; i < last; i++) {
			unsigned sextet = 0;

			for (size_t bit = i * 6; bit < i * 6 + 6; bit++) {
				unsigned char c = (unsigned char)v.p[bit / 8 - shift];

				sextet = sextet << 1 | (c >> (7 - bit % 8) & 1U);
			}
			buf_add_char(&form,
			             sextet < 62 ? letters[sextet] : digits[kind][sextet - 62]);
		}
		add_form(r, buf_str(&form), value);
		wipe(&form);
	}
}

static bool is_unreserved(unsigned char c)
{
	return redact_in(REDACT_TOKEN, c) || c == '.' || c == '~';
}

/* RFC 3986 section 2.1 */
static void add_percent(struct redact *r, struct str v, uint16_t value, const char *format)
{
	struct buf form;

	buf_init(&form, FORM_MAX);
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (is_unreserved(c)) {
			buf_add_char(&form, v.p[i]);
		} else {
			buf_addf(&form, format[0] == 'X' ? "%%%02X" : "%%%02x", c);
		}
	}
	add_form(r, buf_str(&form), value);
	wipe(&form);
}

/* As it stands in a JSON string, and in a JSON string in a JSON string. */
static void add_json(struct redact *r, struct str v, uint16_t value, unsigned depth)
{
	struct buf form;
	struct jsonw w;
	struct str inner;

	buf_init(&form, FORM_MAX);
	jsonw_init(&w, &form);
	jsonw_str(&w, NULL, v);
	inner = str_make(form.data + 1, form.len >= 2 ? form.len - 2 : 0);
	add_form(r, inner, value);
	if (depth > 1 && !str_eq(inner, v)) {
		add_json(r, inner, value, depth - 1);
	}
	wipe(&form);
}

static void add_forms(struct redact *r, struct str v, uint16_t value)
{
	add_form(r, v, value);
	add_json(r, v, value, 2);
	add_percent(r, v, value, "X");
	add_percent(r, v, value, "x");
	for (size_t shift = 0; shift < 3; shift++) {
		add_base64(r, v, value, shift);
	}
}

static void add_value(struct redact *r, const struct redact_value *given)
{
	struct str v = given->value, line;
	uint16_t value = (uint16_t)r->value_count;

	while (v.n > 0 && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r')) {
		v.n--;
	}
	if (v.n < REDACT_VALUE_MIN) {
		return;
	}
	r->names[r->value_count] = mem_strndup(given->name);
	r->value_count++;
	add_forms(r, v, value);
	if (memchr(v.p, '\n', v.n) == NULL) {
		return;
	}
	while (v.n > 0) {
		line = str_trim(str_split(&v, '\n'));
		if (line.n >= LINE_MIN) {
			add_forms(r, line, value);
		}
	}
}

/* ---- life ---- */

struct redact *redact_new(const struct redact_value *values, size_t count)
{
	struct redact *r = mem_calloc(1, sizeof(*r));

	r->names = mem_calloc(count + 1, sizeof(*r->names));
	(void)add_node(r, REDACT_ROOT, 0);
	for (size_t i = 0; i < redact_pattern_count; i++) {
		uint32_t node = add_word(r, str_of(redact_patterns[i].literal), REDACT_NONE);

		r->nodes[node].pattern = (uint16_t)i;
	}
	for (size_t i = 0; i < count && i < REDACT_NONE; i++) {
		add_value(r, &values[i]);
	}
	link_all(r);
	return r;
}

void redact_free(struct redact *r)
{
	if (r == NULL) {
		return;
	}
	explicit_bzero(r->nodes, r->size * sizeof(*r->nodes));
	for (size_t i = 0; i < r->value_count; i++) {
		free(r->names[i]);
	}
	free(r->names);
	free(r->nodes);
	free(r);
}
