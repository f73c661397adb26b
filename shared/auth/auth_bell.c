#include "auth/auth_bell.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "redis/redis.h"

enum { ANSWER_MS = 5000, POLL_MS = 20 };

static const char *const names[] = {
	[AUTH_BELL_KEY] = "key", [AUTH_BELL_USER] = "user", [AUTH_BELL_LOGIN] = "login"
};

bool auth_bell_decode(struct str payload, struct auth_bell *ret)
{
	struct str kind = str_split(&payload, ' '), first = str_split(&payload, ' ');
	struct str key, asked, expires;

	*ret = (struct auth_bell){ .kind = AUTH_BELL_KEY };
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(kind, str_of(names[i]))) {
			ret->kind = (enum auth_bell_kind)i;
			return payload.p == NULL && id_parse(first, &ret->id);
		}
	}
	key = str_split(&payload, ' ');
	asked = str_split(&payload, ' ');
	expires = str_split(&payload, ' ');
	ret->kind = AUTH_BELL_STREAM;
	return str_eq(kind, STR_LIT("stream")) && payload.p == NULL &&
	       auth_stream_parse(first, &ret->stream) && id_parse(key, &ret->id) &&
	       id_parse(asked, &ret->asked) &&
	       (expires.p == NULL || parse_i64(expires, &ret->expires_us));
}

void auth_stream_format(uint64_t stream, char out[AUTH_STREAM_LEN + 1])
{
	(void)snprintf(out, AUTH_STREAM_LEN + 1, "%016" PRIx64, stream);
}

bool auth_stream_parse(struct str text, uint64_t *ret)
{
	return text.n == AUTH_STREAM_LEN && parse_hex_u64(text, ret);
}

static enum err_code publish(struct redis *redis, const char *text, int64_t *ret_heard,
                             struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, "PUBLISH");
	redis_arg_cstr(cmd, AUTH_BELL);
	redis_arg_cstr(cmd, text);
	code = redis_call(redis, cmd, &reply, err);
	if (code == ERR_OK) {
		*ret_heard = redis_reply_int(reply);
	}
	return code;
}

enum err_code auth_bell_ring(struct redis *redis, enum auth_bell_kind kind, const struct id *id,
                             struct err *err)
{
	char text[sizeof("login ") + ID_LEN];
	int64_t heard;

	assert(kind != AUTH_BELL_STREAM);
	(void)snprintf(text, sizeof(text), "%s %s", names[kind], id->s);
	return publish(redis, text, &heard, err);
}

/* What was answered; ERR_NOT_FOUND: nothing yet. */
static enum err_code look(struct redis *redis, const struct id *asked, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str said;
	enum err_code code;

	redis_arg_cstr(cmd, "GETDEL");
	redis_argf(cmd, "stream_auth:%s", asked->s);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return code;
	}
	said = redis_reply_str(reply);
	if (str_eq(said, str_of(err_name(ERR_OK)))) {
		return ERR_OK;
	}
	if (str_eq(said, str_of(err_name(ERR_FORBIDDEN)))) {
		return err_set(err, ERR_FORBIDDEN, "this stream is of another owner's key");
	}
	return said.n > 0 ? err_set(err, ERR_UNAVAILABLE, "stream: %" STR_FMT, STR_ARG(said))
	                  : err_set(err, ERR_NOT_FOUND, "no such stream is open");
}

enum err_code auth_stream_ask(struct redis *redis, uint64_t stream,
                              const struct principal *principal, struct err *err)
{
	uint64_t until_ms = clock_mono_ms() + AUTH_ASK_MS;
	const struct id asked = id_new();
	char text[sizeof("stream") + AUTH_STREAM_LEN + 2 * (ID_LEN + 1) + 24];
	char name[AUTH_STREAM_LEN + 1];
	int64_t heard = 0;
	enum err_code code;

	if (id_is_nil(auth_lender(principal))) {
		return err_set(err, ERR_FORBIDDEN,
		               "a stream does not go on with a token of another issuer");
	}
	auth_stream_format(stream, name);
	(void)snprintf(text, sizeof(text), "stream %s %s %s %" PRId64, name,
	               auth_lender(principal)->s, asked.s,
	               principal->means == AUTH_BY_TOKEN ? principal->expires_us : 0);
	code = publish(redis, text, &heard, err);
	if (code == ERR_OK && heard == 0) {
		return err_set(err, ERR_NOT_FOUND, "no such stream is open");
	}
	while (code == ERR_OK) {
		enum err_code slept = fiber_sleep(POLL_MS);

		code = slept != ERR_OK ? err_set(err, slept, "stream: given up")
		                       : look(redis, &asked, err);
		if (code != ERR_NOT_FOUND) {
			break;
		}
		code = clock_mono_ms() < until_ms ? ERR_OK : ERR_NOT_FOUND;
	}
	return code;
}

enum err_code auth_stream_answer(struct redis *redis, const struct id *asked, enum err_code outcome,
                                 struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;

	redis_arg_cstr(cmd, "SET");
	redis_argf(cmd, "stream_auth:%s", asked->s);
	redis_arg_cstr(cmd, err_name(outcome));
	redis_arg_cstr(cmd, "PX");
	redis_arg_u64(cmd, ANSWER_MS);
	return redis_call(redis, cmd, &reply, err);
}
