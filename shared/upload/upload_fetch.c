#include "upload/upload_fetch.h"

#include <string.h>

#include "base/clock.h"
#include "cred/digest.h"
#include "json/value.h"
#include "json/write.h"
#include "loop/fiber.h"
#include "redis/redis.h"
#include "upload/upload_store.h"

#define WANTED_KEY "{u}:wanted"

enum {
	WANTED_MAX = 4096, /* questions that are kept; who is not answered asks again */
	PART_MS = 30000,   /* that an answer is kept */
	AGAIN_MS = 3000,
	ANSWER_MS = 60000,
	LOOK_MIN_MS = 5,
	LOOK_MAX_MS = 200,
	HEAD_MAX = 4096,
};

/* ---- of a worker ---- */

void upload_fetch_init(struct upload_fetch *fetch, struct redis *redis, const struct id *session,
                       const struct id *upload)
{
	*fetch = (struct upload_fetch){ .redis = redis, .session = *session, .upload = *upload };
	fetch->hash = cred_sha256_new();
	buf_init(&fetch->part, UPLOAD_CHUNK);
}

void upload_fetch_fini(struct upload_fetch *fetch)
{
	cred_sha256_free(fetch->hash);
	buf_fini(&fetch->part);
}

static enum err_code call(struct redis *redis, struct redis_cmd *cmd, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code = redis_call(redis, cmd, &reply, err);

	redis_cmd_reset(cmd);
	return code;
}

static enum err_code ask(const struct upload_fetch *fetch, const struct id *question,
                         struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	enum err_code code;

	redis_arg_cstr(cmd, "LPUSH");
	redis_arg_cstr(cmd, WANTED_KEY);
	redis_argf(cmd, "%s %s %s %u", question->s, fetch->session.s, fetch->upload.s,
	           fetch->parts);
	code = call(fetch->redis, cmd, err);
	if (code == ERR_OK) {
		redis_arg_cstr(cmd, "LTRIM");
		redis_arg_cstr(cmd, WANTED_KEY);
		redis_arg_u64(cmd, 0);
		redis_arg_u64(cmd, WANTED_MAX - 1);
		code = call(fetch->redis, cmd, err);
	}
	if (code == ERR_OK) {
		redis_arg_cstr(cmd, "PUBLISH");
		redis_arg_cstr(cmd, UPLOAD_CHANNEL);
		redis_arg_cstr(cmd, "");
		code = call(fetch->redis, cmd, err);
	}
	return code;
}

/* Waits for the answer. ERR_TIMEOUT: there is none yet. */
static enum err_code await(struct redis *redis, const struct id *question, struct redis_reply **ret,
                           struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	uint64_t until = clock_mono_ms() + AGAIN_MS, pause = LOOK_MIN_MS;

	while (clock_mono_ms() < until) {
		struct redis_reply *reply = NULL;
		enum err_code code;

		redis_cmd_reset(cmd);
		redis_arg_cstr(cmd, "GETDEL");
		redis_argf(cmd, "{u:%s}:part", question->s);
		code = redis_call(redis, cmd, &reply, err);
		if (code == ERR_OK && redis_reply_type(reply) == REDIS_STRING) {
			*ret = reply;
			return ERR_OK;
		}
		redis_reply_free(reply);
		if (code == ERR_OK) {
			code = fiber_sleep(pause);
		}
		if (code != ERR_OK) {
			return err_set(err, code, "no answer");
		}
		pause = pause * 2 < LOOK_MAX_MS ? pause * 2 : LOOK_MAX_MS;
	}
	return err_set(err, ERR_TIMEOUT, "no answer");
}

static enum err_code ask_until_answered(const struct upload_fetch *fetch, struct redis_reply **ret,
                                        struct err *err)
{
	uint64_t until = clock_mono_ms() + ANSWER_MS;
	enum err_code code;

	do {
		const struct id question = id_new();

		code = ask(fetch, &question, err);
		if (code == ERR_OK) {
			code = await(fetch->redis, &question, ret, err);
		} else if (!fiber_cancelled()) {
			(void)!fiber_sleep(LOOK_MAX_MS);
		}
	} while (code != ERR_OK && !fiber_cancelled() && clock_mono_ms() < until);
	if (code != ERR_OK && fiber_cancelled()) {
		return err_set(err, ERR_CANCELLED, "it is not wanted any more");
	}
	return code == ERR_OK ? code
	                      : err_set(err, ERR_UNAVAILABLE, "no scheduler gives the upload");
}

static enum err_code damaged(struct err *err)
{
	return err_set(err, ERR_BACKEND, "what came is not what was uploaded");
}

/* A line of JSON, then bytes. */
static enum err_code take(struct upload_fetch *fetch, struct str answer, struct str *ret,
                          struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *head = NULL;
	struct str rest = answer, line = str_split(&rest, '\n');

	head = json_parse(line, err);
	if (json_get(head, "error") != NULL) {
		return err_set(err, ERR_NOT_FOUND, "%s", json_as_str(json_get(head, "error")).p);
	}
	if (rest.p == NULL || rest.n == 0 ||
	    !str_copy(fetch->name, sizeof(fetch->name), json_as_str(json_get(head, "name"))) ||
	    !str_copy(fetch->media_type, sizeof(fetch->media_type),
	              json_as_str(json_get(head, "mediaType"))) ||
	    !str_copy(fetch->sha256, sizeof(fetch->sha256),
	              json_as_str(json_get(head, "sha256")))) {
		return damaged(err);
	}
	fetch->size = (uint64_t)json_as_i64(json_get(head, "size"));
	*ret = rest;
	return ERR_OK;
}

static enum err_code check_whole(const struct upload_fetch *fetch, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[CRED_SHA256_SIZE] = { 0 };
	char text[2 * CRED_SHA256_SIZE + 1] = "";

	cred_sha256_end(fetch->hash, sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		text[2 * i] = digits[sum[i] >> 4];
		text[2 * i + 1] = digits[sum[i] & 15];
	}
	return strcmp(text, fetch->sha256) == 0 ? ERR_OK : damaged(err);
}

enum err_code upload_fetch_next(struct upload_fetch *fetch, struct str *ret, struct err *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str bytes = STR_LIT("");
	enum err_code code;

	*ret = STR_LIT("");
	if (fetch->parts > 0 && fetch->got >= fetch->size) {
		return check_whole(fetch, err);
	}
	code = ask_until_answered(fetch, &reply, err);
	if (code == ERR_OK) {
		code = take(fetch, redis_reply_str(reply), &bytes, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	buf_reset(&fetch->part);
	buf_add_str(&fetch->part, bytes);
	fetch->got += bytes.n;
	fetch->parts++;
	if (buf_failed(&fetch->part) || fetch->got > fetch->size) {
		return damaged(err);
	}
	cred_sha256_add(fetch->hash, bytes);
	*ret = buf_str(&fetch->part);
	return ERR_OK;
}

/* ---- of a scheduler ---- */

struct question {
	struct id id, session, upload;
	uint64_t n;
};

static bool parse(struct str text, struct question *ret)
{
	struct str id = str_split(&text, ' '), session = str_split(&text, ' ');
	struct str upload = str_split(&text, ' ');

	return id_parse(id, &ret->id) && id_parse(session, &ret->session) &&
	       id_parse(upload, &ret->upload) &&
	       parse_u64(text, UPLOAD_SIZE_MAX / UPLOAD_CHUNK, &ret->n);
}

static void write_head(const struct upload *upload, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "name", upload->name);
	jsonw_str(&w, "mediaType", upload->media_type);
	jsonw_u64(&w, "size", upload->size);
	jsonw_str(&w, "sha256", upload->sha256);
	jsonw_end_object(&w);
	buf_add_char(out, '\n');
}

static enum err_code find(struct pg *pg, const struct question *question, struct buf *out,
                          struct err *err)
{
	struct arena *arena = arena_new();
	struct upload upload;
	struct buf bytes;
	enum err_code code =
		upload_use_for(pg, &question->session, &question->upload, arena, &upload, err);

	buf_init(&bytes, UPLOAD_CHUNK);
	if (code == ERR_OK) {
		code = upload_chunk(pg, arena_strdup(arena, upload.tenant), &upload.content,
		                    (unsigned)question->n, &bytes, err);
	}
	if (code == ERR_OK) {
		write_head(&upload, out);
		buf_add_str(out, buf_str(&bytes));
	} else if (code == ERR_NOT_FOUND) {
		buf_add_cstr(out, "{\"error\":\"the upload is gone\"}\n");
		code = ERR_OK;
	}
	buf_fini(&bytes);
	arena_free(arena);
	return code;
}

static enum err_code give(struct redis *redis, const struct question *question, struct str answer,
                          struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();

	redis_arg_cstr(cmd, "SET");
	redis_argf(cmd, "{u:%s}:part", question->id.s);
	redis_arg(cmd, answer);
	redis_arg_cstr(cmd, "PX");
	redis_arg_u64(cmd, PART_MS);
	return call(redis, cmd, err);
}

enum err_code upload_fetch_answer(struct redis *redis, struct pg *pg, bool *ret_any,
                                  struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct question question;
	struct buf answer;
	enum err_code code;

	redis_arg_cstr(cmd, "RPOP");
	redis_arg_cstr(cmd, WANTED_KEY);
	code = redis_call(redis, cmd, &reply, err);
	*ret_any = code == ERR_OK && redis_reply_type(reply) == REDIS_STRING;
	if (!*ret_any || !parse(redis_reply_str(reply), &question)) {
		return code;
	}
	buf_init(&answer, HEAD_MAX + UPLOAD_CHUNK);
	code = find(pg, &question, &answer, err);
	if (code == ERR_OK) {
		code = give(redis, &question, buf_str(&answer), err);
	}
	buf_fini(&answer);
	return code;
}
