#include "session/session_copy.h"

#include <stddef.h>

#include "session/session_store.h"

/* Each as "<bytes>:<text>", in this order, behind a word that says which order it is. */
static const size_t texts[] = {
	offsetof(struct session, tenant),      offsetof(struct session, project),
	offsetof(struct session, owner),       offsetof(struct session, agent),
	offsetof(struct session, prompt),      offsetof(struct session, repo),
	offsetof(struct session, runtime),     offsetof(struct session, delivery),
	offsetof(struct session, traceparent),
};

#define FORM "1"

static const struct str *text_in(const struct session *session, size_t i)
{
	return (const struct str *)(const void *)((const char *)session + texts[i]);
}

static bool is_new_and_whole(const struct session *session)
{
	return session->state == SESSION_QUEUED && session->started_us == 0 &&
	       session->failures == 0 && !id_is_nil(&session->id) && !id_is_nil(&session->task) &&
	       session->agent.n > 0 && session->prompt.n > 0 && session->repo.n > 0 &&
	       session->runtime.n > 0;
}

struct str session_copy_write(const struct session *session, struct arena *arena)
{
	struct str copy = STR_LIT("");
	struct buf out;

	if (!is_new_and_whole(session)) {
		return copy;
	}
	buf_init(&out, SESSION_COPY_MAX);
	buf_addf(&out, FORM " %s %s %u ", session->id.s, session->task.s, session->max_attempts);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct str *text = text_in(session, i);

		buf_addf(&out, "%zu:", text->n);
		buf_add_str(&out, *text);
	}
	if (!buf_failed(&out)) {
		copy = arena_str(arena, buf_str(&out));
	}
	buf_fini(&out);
	return copy;
}

static bool take(struct str *rest, struct arena *arena, struct str *ret)
{
	struct str length = str_split(rest, ':');
	uint64_t n;

	if (rest->p == NULL || !parse_u64(length, SESSION_COPY_MAX, &n) || n > rest->n) {
		return false;
	}
	*ret = arena_str(arena, str_make(rest->p, (size_t)n)); /* some are used as C strings */
	*rest = str_make(rest->p + n, rest->n - (size_t)n);
	return true;
}

bool session_copy_read(struct str text, struct arena *arena, struct session *ret)
{
	struct str rest = text;
	uint64_t attempts;

	*ret = (struct session){ .state = SESSION_QUEUED };
	if (!str_eq(str_split(&rest, ' '), STR_LIT(FORM)) ||
	    !id_parse(str_split(&rest, ' '), &ret->id) ||
	    !id_parse(str_split(&rest, ' '), &ret->task) ||
	    !parse_u64(str_split(&rest, ' '), UINT32_MAX, &attempts)) {
		return false;
	}
	ret->max_attempts = (unsigned)attempts;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!take(&rest, arena, (struct str *)(void *)((char *)ret + texts[i]))) {
			return false;
		}
	}
	return rest.n == 0;
}
