#include "tests/integration/tap.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct tap *tap_open(struct world *world, size_t node, const char *fmt, ...)
{
	struct tap *tap = mem_calloc(1, sizeof(*tap));
	const char *body;
	struct buf request;
	va_list ap;

	buf_init(&request, UINT16_MAX);
	va_start(ap, fmt);
	buf_vaddf(&request, fmt, ap);
	va_end(ap);
	buf_init(&tap->in, SIZE_MAX / 2);
	sse_parser_init(&tap->parser, UINT16_MAX);
	tap->fd = world_dial(world, node);
	assert_true(tap->fd >= 0);
	world_send(tap->fd, buf_str(&request));
	buf_fini(&request);
	while ((body = world_end_of_head(&tap->in)) == NULL) {
		assert_true(world_receive(tap->fd, &tap->in, WORLD_WAIT_MS, &tap->ended));
	}
	assert_true(str_copy(tap->head, sizeof(tap->head),
	                     str_make(tap->in.data, (size_t)(body - tap->in.data))));
	tap->status = (int)strtol(tap->head + 9, NULL, 10);
	buf_drop(&tap->in, (size_t)(body - tap->in.data));
	tap->rest = buf_str(&tap->in);
	return tap;
}

void tap_close(struct tap *tap)
{
	(void)close(tap->fd);
	buf_fini(&tap->in);
	sse_parser_fini(&tap->parser);
	free(tap);
}

bool tap_next(struct tap *tap, unsigned ms)
{
	for (;;) {
		enum sse_parsed parsed = sse_parse(&tap->parser, &tap->rest);

		if (parsed == SSE_PARSED_EVENT) {
			return true;
		}
		assert_int_equal(parsed, SSE_PARSED_MORE);
		buf_reset(&tap->in);
		if (tap->ended || !world_receive(tap->fd, &tap->in, ms, &tap->ended)) {
			tap->rest = STR_LIT("");
			return false;
		}
		tap->rest = buf_str(&tap->in);
	}
}

bool tap_is(const struct tap *tap, const char *name)
{
	return str_eq(tap->parser.name, str_of(name));
}

bool tap_says(const struct tap *tap, const char *text)
{
	return memmem(tap->parser.data.p, tap->parser.data.n, text, strlen(text)) != NULL;
}

void tap_until(struct tap *tap, const char *name)
{
	do {
		if (!tap_next(tap, WORLD_WAIT_MS)) {
			fail_msg("no %s came", name);
		}
	} while (!tap_is(tap, name));
}

struct str tap_field(const struct tap *tap, const char *name)
{
	const char *line = strstr(tap->head, name);

	if (line == NULL) {
		return (struct str){ NULL, 0 };
	}
	line += strlen(name);
	return str_make(line, strcspn(line, "\r"));
}
