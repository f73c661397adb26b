#include "queue/mail.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "queue/keys.h"
#include "queue_lua_gen.h"
#include "redis/redis.h"

enum { ANSWER_KEPT_S = 3600 };

void mail_bell_channel(const char *worker, char out[QUEUE_KEY_SIZE])
{
	mail_key_bell(worker, out);
}

enum err_code mail_send(struct redis *redis, const char *worker, const struct mail *mail,
                        struct err *err)
{
	const struct text *script = &queue_lua_texts[QUEUE_LUA_MAIL_SEND];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char box[QUEUE_KEY_SIZE], last[QUEUE_KEY_SIZE], bell[QUEUE_KEY_SIZE];
	enum err_code code;

	if (!queue_name_ok(worker) || mail->kind.n == 0 || mail->body.n > MAIL_BODY_MAX) {
		return err_set(err, ERR_INVALID, "a note's worker, kind or size");
	}
	mail_key_box(worker, box);
	mail_key_last(worker, last);
	mail_key_bell(worker, bell);
	redis_script_begin(cmd, script, 2);
	redis_arg_cstr(cmd, box);
	redis_arg_cstr(cmd, last);
	redis_arg_u64(cmd, MAIL_KEPT);
	redis_arg_cstr(cmd, bell);
	redis_arg(cmd, mail->kind);
	redis_arg(cmd, mail->incarnation);
	redis_arg_cstr(cmd, mail->sid.s);
	redis_arg_u64(cmd, mail->epoch);
	redis_arg_u64(cmd, mail->attempt);
	redis_arg(cmd, mail->body);
	code = redis_script(redis, script, cmd, &reply, err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "note to %s", worker);
}

static bool decode_mail(const struct redis_reply *entry, struct mail *ret)
{
	const struct redis_reply *fields = redis_reply_at(entry, 1);
	struct str sid = redis_reply_str(redis_reply_at(fields, 5));

	*ret = (struct mail){ .kind = redis_reply_str(redis_reply_at(fields, 1)),
		              .incarnation = redis_reply_str(redis_reply_at(fields, 3)),
		              .body = redis_reply_str(redis_reply_at(fields, 11)) };
	return str_copy(ret->id, sizeof(ret->id), redis_reply_str(redis_reply_at(entry, 0))) &&
	       (sid.n == 0 || id_parse(sid, &ret->sid)) &&
	       redis_reply_u64(redis_reply_at(fields, 7), &ret->epoch) &&
	       redis_reply_u64(redis_reply_at(fields, 9), &ret->attempt);
}

enum err_code mail_read(struct redis *redis, const char *worker, const char *after,
                        struct mail_page *ret, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct mail_page page = { 0 };
	char box[QUEUE_KEY_SIZE];
	enum err_code code;

	mail_key_box(worker, box);
	redis_arg_cstr(cmd, "XRANGE");
	redis_arg_cstr(cmd, box);
	redis_argf(cmd, "(%s", after);
	redis_arg_cstr(cmd, "+");
	redis_arg_cstr(cmd, "COUNT");
	redis_arg_u64(cmd, MAIL_READ_MAX);
	code = redis_call(redis, cmd, &page.reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "mailbox of %s", worker);
	}
	page.count = redis_reply_len(page.reply);
	page.mails = mem_calloc(page.count + 1, sizeof(*page.mails));
	for (size_t i = 0; i < page.count; i++) {
		if (!decode_mail(redis_reply_at(page.reply, i), &page.mails[i])) {
			mail_page_fini(&page);
			return err_set(err, ERR_BACKEND, "mailbox of %s: a damaged note", worker);
		}
	}
	*ret = page;
	return ERR_OK;
}

void mail_aloud_channel(const char *worker, char out[QUEUE_KEY_SIZE])
{
	mail_key_aloud(worker, out);
}

bool mail_aloud_write(const struct mail *mail, struct buf *out)
{
	const struct str texts[] = { mail->kind, mail->incarnation, str_of(mail->sid.s) };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_add_str(out, texts[i]);
		buf_add_char(out, '\n');
	}
	buf_add_u64(out, mail->epoch);
	buf_add_char(out, '\n');
	buf_add_u64(out, mail->attempt);
	buf_add_char(out, '\n');
	buf_add_str(out, mail->body);
	return mail->body.n <= MAIL_ALOUD_MAX && !buf_failed(out);
}

bool mail_aloud_read(struct str payload, struct mail *ret)
{
	struct str rest = payload, sid, epoch, attempt;
	struct mail mail = { .kind = str_split(&rest, '\n') };

	mail.incarnation = str_split(&rest, '\n');
	sid = str_split(&rest, '\n');
	epoch = str_split(&rest, '\n');
	attempt = str_split(&rest, '\n');
	if (rest.p == NULL || (sid.n > 0 && !id_parse(sid, &mail.sid)) ||
	    !parse_u64(epoch, UINT64_MAX, &mail.epoch) ||
	    !parse_u64(attempt, UINT64_MAX, &mail.attempt)) {
		return false;
	}
	mail.body = rest;
	*ret = mail;
	return true;
}

/* A ring that brings its note has it in these words behind its first line. */
enum mail_rung mail_bell_read(struct str payload, const char *after, struct mail *ret)
{
	struct str rest = payload;
	struct str line = str_split(&rest, '\n');
	struct str id = str_split(&line, ' ');
	struct mail mail;

	if (str_eq(id, str_of(after))) {
		return MAIL_RUNG_OLD;
	}
	if (rest.p == NULL || !str_eq(line, str_of(after)) || !mail_aloud_read(rest, &mail) ||
	    !str_copy(mail.id, sizeof(mail.id), id)) {
		return MAIL_RUNG_READ;
	}
	*ret = mail;
	return MAIL_RUNG_NOTE;
}

void mail_page_fini(struct mail_page *page)
{
	free(page->mails);
	redis_reply_free(page->reply);
	*page = (struct mail_page){ 0 };
}

enum err_code mail_answer(struct redis *redis, const char *name, const char *text, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[QUEUE_KEY_SIZE];
	enum err_code code;

	mail_key_answer(name, key);
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, key);
	redis_argf(cmd, "%.*s", MAIL_ANSWER_MAX, text);
	redis_arg_cstr(cmd, "EX");
	redis_arg_u64(cmd, ANSWER_KEPT_S);
	code = redis_call(redis, cmd, &reply, err);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "answer %s", name);
}

enum err_code mail_answered(struct redis *redis, const char *name, char out[MAIL_ANSWER_MAX + 1],
                            struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[QUEUE_KEY_SIZE];
	enum err_code code;

	mail_key_answer(name, key);
	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, key);
	code = redis_call(redis, cmd, &reply, err);
	if (code != ERR_OK) {
		return err_wrap(err, "answer %s", name);
	}
	return redis_reply_type(reply) != REDIS_NIL &&
	                       str_copy(out, MAIL_ANSWER_MAX + 1, redis_reply_str(reply))
	               ? ERR_OK
	               : err_set(err, ERR_NOT_FOUND, "no answer %s", name);
}
