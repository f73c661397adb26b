#include "guard/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum argument { ARG_NONE, ARG_NUMBER, ARG_EXIT, ARG_TEXT };

static const struct {
	const char *word;
	enum argument argument;
} verbs[GUARD_VERB_COUNT] = {
	[GUARD_DEADLINE] = { "deadline", ARG_NUMBER }, [GUARD_FREEZE] = { "freeze", ARG_NONE },
	[GUARD_THAW] = { "thaw", ARG_NONE },           [GUARD_SIGNAL] = { "signal", ARG_NUMBER },
	[GUARD_STOP] = { "stop", ARG_NUMBER },         [GUARD_KILL] = { "kill", ARG_NONE },
	[GUARD_FENCED] = { "fenced", ARG_NONE },       [GUARD_STARTED] = { "started", ARG_NUMBER },
	[GUARD_EXITED] = { "exited", ARG_EXIT },       [GUARD_FROZEN] = { "frozen", ARG_NONE },
	[GUARD_THAWED] = { "thawed", ARG_NONE },       [GUARD_GONE] = { "gone", ARG_NONE },
	[GUARD_ERROR] = { "error", ARG_TEXT },         [GUARD_LATE] = { "late", ARG_NONE },
};

static bool parse_exit(struct str rest, struct guard_message *ret)
{
	struct str kind = str_split(&rest, ' ');

	ret->by_signal = str_eq(kind, STR_LIT("signal"));
	if (!ret->by_signal && !str_eq(kind, STR_LIT("code"))) {
		return false;
	}
	return parse_u64(rest, 255, &ret->number);
}

static bool parse_argument(enum argument argument, struct str rest, struct guard_message *ret)
{
	switch (argument) {
	case ARG_NONE: return rest.p == NULL;
	case ARG_NUMBER: return parse_u64(rest, INT64_MAX, &ret->number);
	case ARG_EXIT: return parse_exit(rest, ret);
	case ARG_TEXT: return rest.p != NULL && str_copy(ret->text, sizeof(ret->text), rest);
	}
	return false;
}

bool guard_parse(struct str line, struct guard_message *ret)
{
	struct guard_message message = { .verb = GUARD_VERB_COUNT };
	struct str rest = line, word = str_split(&rest, ' ');

	if (memchr(line.p != NULL ? line.p : "", '\0', line.n) != NULL) {
		return false;
	}
	for (unsigned i = 0; i < GUARD_VERB_COUNT; i++) {
		if (!str_eq(word, str_of(verbs[i].word))) {
			continue;
		}
		message.verb = (enum guard_verb)i;
		if (!parse_argument(verbs[i].argument, rest, &message)) {
			return false;
		}
		*ret = message;
		return true;
	}
	return false;
}

size_t guard_format(const struct guard_message *message, char out[GUARD_LINE_MAX + 1])
{
	const char *word = verbs[message->verb].word;
	int n = 0;

	switch (verbs[message->verb].argument) {
	case ARG_NONE: n = snprintf(out, GUARD_LINE_MAX + 1, "%s\n", word); break;
	case ARG_NUMBER:
		n = snprintf(out, GUARD_LINE_MAX + 1, "%s %" PRIu64 "\n", word, message->number);
		break;
	case ARG_EXIT:
		n = snprintf(out, GUARD_LINE_MAX + 1, "%s %s %" PRIu64 "\n", word,
		             message->by_signal ? "signal" : "code", message->number);
		break;
	case ARG_TEXT:
		n = snprintf(out, GUARD_LINE_MAX + 1, "%s %.*s\n", word,
		             (int)strcspn(message->text, "\n"), message->text);
		break;
	}
	return (size_t)n;
}

enum guard_read guard_next(struct guard_reader *reader, struct str *in, struct guard_message *ret)
{
	while (in->n > 0) {
		char c = in->p[0];
		size_t used = reader->used;

		in->p++;
		in->n--;
		if (c == '\n') {
			reader->used = 0;
			return used < GUARD_LINE_MAX &&
			                       guard_parse(str_make(reader->line, used), ret)
			               ? GUARD_READ_MESSAGE
			               : GUARD_READ_BAD;
		}
		if (used < GUARD_LINE_MAX) { /* a full line is already too long: keep it full */
			reader->line[reader->used++] = c;
		}
	}
	return GUARD_READ_MORE;
}
