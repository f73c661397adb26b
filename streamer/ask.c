#include "streamer/ask.h"

#include "command/command_store.h"
#include "streamer/feed.h"
#include "streamer/socket.h"
#include "task/task.h"
#include "upload/upload_store.h"

static struct steer steer_of(const struct inbound *inbound)
{
	const struct feed_options *options = &inbound->socket->outlet.feed->options;

	return (struct steer){ .store = options->store,
		               .pg = options->pg,
		               .who = &inbound->who,
		               .arena = inbound->arena,
		               .trail = options->trail,
		               .address = str_of(http_conn_peer(inbound->socket->outlet.conn)) };
}

enum err_code ask_session(struct inbound *inbound, struct str session, struct ask *ret,
                          struct err *err)
{
	struct id id;

	ret->steer = steer_of(inbound);
	if (!id_parse(session, &id)) {
		return err_set(err, ERR_NOT_FOUND, "no such session");
	}
	return steer_find(&ret->steer, &id, &ret->session, err) == ERR_OK ? ERR_OK
	                                                                  : steer_only_read(err);
}

/* The two faces spell names their own way. */
static const char *spell(const struct inbound *inbound, const char *ours, const char *theirs)
{
	return inbound->socket->face->inbound == INBOUND_FOLLOW ? ours : theirs;
}

static void say_done(struct inbound *inbound, const struct ask *ask, const struct steer_done *done)
{
	struct buf json;
	struct jsonw w;

	inbound_begin(inbound, "ack", &json, &w);
	jsonw_cstr(&w, spell(inbound, "sessionId", "session_id"), ask->session.id.s);
	if (!id_is_nil(&done->command)) {
		jsonw_cstr(&w, spell(inbound, "commandId", "command_id"), done->command.s);
	}
	if (done->repeated) {
		jsonw_bool(&w, "repeated", true);
	}
	jsonw_cstr(&w, "status", session_state_name(done->state));
	inbound_say(inbound, &json, &w);
}

enum err_code ask_send(struct inbound *inbound, struct ask *ask, struct steer_ask *what,
                       struct str command, struct err *err)
{
	struct steer_done done;
	enum err_code code;

	if (command.n > 0 && !id_parse(command, &what->command)) {
		return inbound_problem(inbound, spell(inbound, "commandId", "command_id"),
		                       "must be a ULID", err);
	}
	code = steer_send(&ask->steer, &ask->session, what, &done, err);
	if (code == ERR_OK) {
		say_done(inbound, ask, &done);
	}
	return code;
}

enum err_code ask_prompt(struct inbound *inbound, struct ask *ask, const struct json_list *texts,
                         const char *field, struct str command, struct err *err)
{
	struct steer_ask what = { .verb = STEER_PROMPT };

	if (steer_prompt(texts, inbound->arena, &what.payload, err) != ERR_OK) {
		return inbound_problem(inbound, field, err->msg, err);
	}
	return ask_send(inbound, ask, &what, command, err);
}

/* The first problem is told, as of any frame. */
static enum err_code check_uploads(struct inbound *inbound, const struct ask *ask,
                                   const struct task_prompt *prompt, struct err *err)
{
	struct json_problems *problems = arena_take(inbound->arena, sizeof(*problems));
	const struct upload_filter filter = upload_filter_of(ask->steer.who);
	enum err_code code;

	problems->count = 0;
	code = upload_check(ask->steer.pg, &filter, &prompt->uploads, inbound->arena, problems,
	                    err);
	return code == ERR_OK && problems->count > 0
	               ? inbound_problem(inbound, problems->items[0].field, problems->items[0].rule,
	                                 err)
	               : code;
}

static struct steer_words words_of(const struct ask_words *words)
{
	return (struct steer_words){ .texts = &words->prompt->texts,
		                     .blocks = words->prompt->blocks,
		                     .steers = words->steers };
}

enum err_code ask_blocks(struct inbound *inbound, struct ask *ask, const struct ask_words *words,
                         struct str command, struct err *err)
{
	const struct steer_words said = words_of(words);
	struct steer_ask what = { .verb = STEER_PROMPT };
	enum err_code code = check_uploads(inbound, ask, words->prompt, err);

	if (code == ERR_OK && steer_words(&said, inbound->arena, &what.payload, err) != ERR_OK) {
		return inbound_problem(inbound, "prompt", err->msg, err);
	}
	return code == ERR_OK ? ask_send(inbound, ask, &what, command, err) : code;
}

/* ---- prompts that wait ---- */

static enum err_code changed(struct inbound *inbound, const struct ask *ask,
                             const struct id *prompt, enum err_code code)
{
	const struct steer_done done = { .command = *prompt, .state = ask->session.state };

	if (code == ERR_OK) {
		say_done(inbound, ask, &done);
	}
	return code;
}

enum err_code ask_edit(struct inbound *inbound, struct ask *ask, struct str prompt,
                       const struct ask_words *words, struct err *err)
{
	const struct steer_words said = words_of(words);
	enum err_code code = check_uploads(inbound, ask, words->prompt, err);
	struct id id;

	if (code != ERR_OK) {
		return code;
	}
	if (!id_parse(prompt, &id)) {
		return err_set(err, ERR_NOT_FOUND, "no such prompt");
	}
	return changed(inbound, ask, &id,
	               steer_prompt_edit(&ask->steer, &ask->session, &id, &said, err));
}

enum err_code ask_take_back(struct inbound *inbound, struct ask *ask, struct str prompt,
                            struct err *err)
{
	struct id id;

	if (!id_parse(prompt, &id)) {
		return err_set(err, ERR_NOT_FOUND, "no such prompt");
	}
	return changed(inbound, ask, &id,
	               steer_prompt_cancel(&ask->steer, &ask->session, &id, err));
}

enum err_code ask_last_waiting(struct inbound *inbound, struct ask *ask, struct str *ret,
                               struct err *err)
{
	struct command_list list;
	struct str me = str_of(auth_actor(&inbound->who));

	if (steer_prompts(&ask->steer, &ask->session.id, &list, err) != ERR_OK) {
		return steer_only_read(err);
	}
	for (size_t i = list.count; i > 0; i--) {
		if (str_eq(list.items[i - 1].created_by, me)) {
			*ret = arena_str(inbound->arena, str_of(list.items[i - 1].id.s));
			return ERR_OK;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "no message of yours waits");
}

/* ---- what else an agent is asked ---- */

enum err_code ask_word(struct inbound *inbound, struct ask *ask, const struct ask_word *word,
                       struct str command, struct err *err)
{
	struct steer_ask what = { .verb = word->verb };
	struct jsonw w;
	struct buf out;

	if (word->verb == STEER_SLASH && !str_starts(word->word, STR_LIT("/"))) {
		return inbound_problem(inbound, word->name, "must begin with /", err);
	}
	buf_init(&out, STEER_PAYLOAD_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, word->name, word->word);
	jsonw_end_object(&w);
	if (buf_failed(&out)) {
		buf_fini(&out);
		return inbound_problem(inbound, word->name,
		                       "is too large with its characters escaped", err);
	}
	what.payload = arena_str(inbound->arena, buf_str(&out));
	buf_fini(&out);
	return ask_send(inbound, ask, &what, command, err);
}

enum err_code ask_cancel(struct inbound *inbound, struct ask *ask, struct str reason,
                         struct err *err)
{
	struct steer_done done = { .repeated = false };
	enum err_code code =
		steer_cancel(&ask->steer, &ask->session,
	                     reason.n > 0 ? reason : STR_LIT("cancelled by a client"), err);

	if (code == ERR_OK) {
		done.state = ask->session.state;
		say_done(inbound, ask, &done);
	}
	return code;
}
