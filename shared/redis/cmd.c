#include "redis/cmd.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct redis_cmd *redis_cmd_new(void)
{
	/* Not all zeros: 14 KiB of words, of which a command has a few. */
	struct redis_cmd *cmd = mem_realloc(NULL, sizeof(*cmd));

	cmd->count = 0;
	cmd->overflow = cmd->same_server = false;
	buf_init(&cmd->text, REDIS_CMD_TEXT_MAX);
	return cmd;
}

void redis_cmd_free(struct redis_cmd *cmd)
{
	if (cmd != NULL) {
		buf_fini(&cmd->text);
		free(cmd);
	}
}

void redis_cmd_cleanup(struct redis_cmd **cmd)
{
	redis_cmd_free(*cmd);
}

void redis_cmd_reset(struct redis_cmd *cmd)
{
	cmd->count = 0;
	cmd->overflow = cmd->same_server = false;
	buf_reset(&cmd->text);
}

void redis_cmd_same_server(struct redis_cmd *cmd)
{
	cmd->same_server = true;
}

static void add_word(struct redis_cmd *cmd, struct redis_word word)
{
	if (cmd->count == REDIS_ARGS_MAX || buf_failed(&cmd->text)) {
		cmd->overflow = true;
		return;
	}
	cmd->words[cmd->count++] = word;
}

void redis_arg(struct redis_cmd *cmd, struct str s)
{
	add_word(cmd, (struct redis_word){ .p = s.p != NULL ? s.p : "", .n = s.n });
}

void redis_arg_cstr(struct redis_cmd *cmd, const char *s)
{
	redis_arg(cmd, str_of(s));
}

static void add_text_since(struct redis_cmd *cmd, size_t from)
{
	add_word(cmd, (struct redis_word){ .at = from, .n = cmd->text.len - from });
}

void redis_arg_u64(struct redis_cmd *cmd, uint64_t v)
{
	size_t from = cmd->text.len;

	buf_add_u64(&cmd->text, v);
	add_text_since(cmd, from);
}

void redis_arg_i64(struct redis_cmd *cmd, int64_t v)
{
	redis_argf(cmd, "%" PRId64, v);
}

void redis_argf(struct redis_cmd *cmd, const char *fmt, ...)
{
	size_t from = cmd->text.len;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&cmd->text, fmt, ap);
	va_end(ap);
	add_text_since(cmd, from);
}

enum err_code redis_cmd_check(const struct redis_cmd *cmd, struct err *err)
{
	if (cmd->overflow) {
		return err_set(err, ERR_LIMIT, "redis: a command has at most %d words",
		               REDIS_ARGS_MAX);
	}
	if (cmd->count == 0) {
		return err_set(err, ERR_INTERNAL, "redis: a command without words");
	}
	return ERR_OK;
}

void redis_cmd_set(struct redis_cmd *cmd, size_t i, struct str s)
{
	assert(i < cmd->count);
	cmd->words[i] = (struct redis_word){ .p = s.p, .n = s.n };
}

static size_t digits(size_t v)
{
	size_t n = 1;

	while (v >= 10) {
		v /= 10;
		n++;
	}
	return n;
}

static char *put_crlf(char *out)
{
	out[0] = '\r';
	out[1] = '\n';
	return out + 2;
}

static char *put_header(char *out, char kind, size_t v)
{
	size_t n = digits(v);

	*out = kind;
	for (size_t i = n; i > 0; i--) {
		out[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return put_crlf(out + n + 1);
}

static size_t header_len(size_t v)
{
	return digits(v) + 3;
}

size_t redis_cmd_wire_len(const struct redis_cmd *cmd)
{
	size_t len = header_len(cmd->count);

	for (size_t i = 0; i < cmd->count; i++) {
		len += header_len(cmd->words[i].n) + cmd->words[i].n + 2;
	}
	return len;
}

static char *put_word(char *out, const char *p, size_t n)
{
	out = put_header(out, '$', n);
	if (n > 0) {
		memcpy(out, p, n);
	}
	return put_crlf(out + n);
}

void redis_cmd_wire(const struct redis_cmd *cmd, char *out)
{
	out = put_header(out, '*', cmd->count);
	for (size_t i = 0; i < cmd->count; i++) {
		const struct redis_word *word = &cmd->words[i];

		out = put_word(out, word->p != NULL ? word->p : cmd->text.data + word->at, word->n);
	}
}

void redis_wire_add(struct buf *out, size_t count, const struct str words[])
{
	buf_addf(out, "*%zu\r\n", count);
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "$%zu\r\n", words[i].n);
		buf_add_str(out, words[i]);
		buf_add_cstr(out, "\r\n");
	}
}
