/* Prompts: what they say, and those that wait. */
#include "base/clock.h"
#include "command/command_store.h"
#include "event/prompt_claim.h"
#include "json/decode.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/mail.h"
#include "steer/notify.h"
#include "steer/status.h"
#include "steer/steer.h"

enum { EVENT_MAX = 160 * 1024 };

/* ---- what they say ---- */

static bool join(const struct json_list *texts, struct buf *out)
{
	const struct str *items = texts->items;

	for (size_t i = 0; i < texts->count; i++) {
		buf_add_cstr(out, i > 0 ? "\n" : "");
		buf_add_str(out, items[i]);
	}
	return !buf_failed(out);
}

enum err_code steer_words(const struct steer_words *words, struct arena *arena, struct str *ret,
                          struct err *err)
{
	struct buf text, json;
	struct jsonw w;
	bool fits = true;

	buf_init(&text, STEER_TEXT_MAX);
	buf_init(&json, STEER_PAYLOAD_MAX);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	if (words->blocks.p != NULL) {
		jsonw_raw(&w, "prompt", words->blocks);
	} else {
		fits = join(words->texts, &text);
		jsonw_str(&w, "prompt", buf_str(&text));
	}
	if (words->steers) {
		jsonw_bool(&w, "steer", true);
	}
	if (words->version > 1) {
		jsonw_u64(&w, "version", words->version);
	}
	jsonw_end_object(&w);
	fits = fits && !buf_failed(&json);
	if (fits) {
		*ret = arena_str(arena, buf_str(&json));
	}
	buf_fini(&text);
	buf_fini(&json);
	return fits ? ERR_OK
	            : err_set(err, ERR_TOO_LARGE, "is too large with its characters escaped");
}

enum err_code steer_prompt(const struct json_list *texts, struct arena *arena, struct str *ret,
                           struct err *err)
{
	const struct steer_words words = { .texts = texts };

	return steer_words(&words, arena, ret, err);
}

/* ---- those that wait ---- */

enum err_code steer_prompts(const struct steer *steer, const struct id *session,
                            struct command_list *ret, struct err *err)
{
	const struct command_query query = { .tenant = steer->who->tenant,
		                             .session = *session,
		                             .max = STEER_PROMPTS_MAX };

	return command_prompts(steer->pg, &query, steer->arena, ret, err);
}

enum err_code steer_prompt_again(const struct steer *steer, const struct id *session,
                                 const struct id *prompt, struct str *ret, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	struct command row;
	enum err_code code = pg_begin(steer->pg, steer->who->tenant, &tx, err);

	if (code == ERR_OK) {
		code = command_prompt(tx, steer->who->tenant, session, prompt, steer->arena, &row,
		                      err);
	}
	if (code == ERR_OK) {
		*ret = row.payload;
	}
	return code;
}

static uint64_t next_version(struct str payload)
{
	struct err err;
	struct json_value *json = json_parse(payload, &err);
	int64_t version = json_as_i64(json_get(json, "version"));

	json_value_free(json);
	return version > 0 ? (uint64_t)version + 1 : 2;
}

/* ERR_CONFLICT: it is not its clients' any more. */
static enum err_code claim(const struct steer *steer, const struct command *row, uint64_t version,
                           struct err *err)
{
	bool mine = false;
	enum err_code code = prompt_claim_change(steer->store->redis, &row->session, &row->id,
	                                         version, &mine, err);

	return code == ERR_OK && !mine
	               ? err_set(err, ERR_CONFLICT, "the agent has the prompt already")
	               : code;
}

static enum err_code check_waits(const struct command *row, struct err *err)
{
	switch (row->state) {
	case COMMAND_QUEUED: return ERR_OK;
	case COMMAND_CANCELLED: return err_set(err, ERR_CONFLICT, "the prompt was taken back");
	case COMMAND_STARTED:
	case COMMAND_DONE:
	case COMMAND_UNKNOWN:
	case COMMAND_FAILED:
	case COMMAND_EXPIRED:
	case COMMAND_STATE_COUNT: break;
	}
	return err_set(err, ERR_CONFLICT, "the agent has the prompt already");
}

/* In a transaction that has its row locked. words NULL: it is taken back. *ret_again: it was. */
static enum err_code change(const struct steer *steer, struct pg_tx *tx, struct command *row,
                            const struct steer_words *words, bool *ret_again, struct err *err)
{
	const struct command_end end = { .id = row->id, .state = COMMAND_CANCELLED };
	uint64_t version = words != NULL ? next_version(row->payload) : 0;
	bool changed;
	enum err_code code = ERR_OK;

	*ret_again = words == NULL && row->state == COMMAND_CANCELLED;
	if (*ret_again) {
		return ERR_OK;
	}
	code = check_waits(row, err);
	if (code == ERR_OK && words != NULL) {
		struct steer_words next = *words;

		next.version = version;
		code = steer_words(&next, steer->arena, &row->payload, err);
	}
	if (code == ERR_OK) {
		code = claim(steer, row, version, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	return words != NULL ? command_edit(tx, steer->who->tenant, &row->id, row->payload, err)
	                     : command_finish_in(tx, steer->who->tenant, &end, &changed, err);
}

static enum err_code change_row(const struct steer *steer, const struct id *session,
                                const struct id *prompt, const struct steer_words *words,
                                struct command *ret, bool *ret_again, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	enum err_code code = pg_begin(steer->pg, steer->who->tenant, &tx, err);

	if (code == ERR_OK) {
		code = command_prompt(tx, steer->who->tenant, session, prompt, steer->arena, ret,
		                      err);
	}
	if (code == ERR_OK) {
		code = change(steer, tx, ret, words, ret_again, err);
	}
	if (code == ERR_OK) {
		struct pg_tx *ready = tx;

		tx = NULL;
		code = pg_commit(ready, err);
	}
	return code == ERR_TIMEOUT ? err_set(err, ERR_UNKNOWN, "no answer in time") : code;
}

static void write_event(const struct steer *steer, const struct id *prompt,
                        const struct steer_words *words, struct buf *out)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, STEER_TEXT_MAX);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "command_id", prompt->s);
	if (words != NULL) {
		(void)join(words->texts, &text);
		jsonw_str(&w, "content", buf_str(&text));
	}
	jsonw_cstr(&w, "by",
	           steer->who->owner[0] != '\0' ? steer->who->owner : auth_actor(steer->who));
	jsonw_end_object(&w);
	buf_fini(&text);
}

/* What the others see; the row has it, so one that is lost is only not seen at once. */
static void tell_change(const struct steer *steer, const struct id *session,
                        const struct id *prompt, const struct steer_words *words)
{
	struct log_new event = { .type = words != NULL ? EVENT_TYPE_PROMPT_EDITED
		                                       : EVENT_TYPE_PROMPT_CANCELLED };
	const struct log_batch batch = {
		.sid = *session, .tenant = steer->who->tenant, .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;
	struct buf data;

	buf_init(&data, EVENT_MAX);
	write_event(steer, prompt, words, &data);
	event.data = buf_str(&data);
	if (log_append(steer->store, &batch, &result, &err) != ERR_OK ||
	    log_result_err(&result, &err) != ERR_OK) {
		log_warn("prompt.untold", "session=%s command=%s code=%s %s", session->s, prompt->s,
		         err_name(err.code), err.msg);
	}
	buf_fini(&data);
}

enum err_code steer_prompt_edit(const struct steer *steer, struct steer_session *session,
                                const struct id *prompt, const struct steer_words *words,
                                struct err *err)
{
	struct command row;
	bool again;
	enum err_code code = change_row(steer, &session->id, prompt, words, &row, &again, err);

	if (code == ERR_OK) {
		fiber_shield();
		tell_change(steer, &session->id, prompt, words);
		steer_tell_command(steer, &session->id,
		                   &(struct steer_command){ .id = row.id,
		                                            .seq = row.seq,
		                                            .kind = steer_kind(STEER_PROMPT),
		                                            .payload = row.payload });
		fiber_unshield();
	}
	return code;
}

enum err_code steer_prompt_cancel(const struct steer *steer, struct steer_session *session,
                                  const struct id *prompt, struct err *err)
{
	struct command row;
	bool again = false;
	enum err_code code = change_row(steer, &session->id, prompt, NULL, &row, &again, err);

	if (code == ERR_OK && !again) {
		fiber_shield();
		tell_change(steer, &session->id, prompt, NULL);
		fiber_unshield();
	}
	return code;
}

void steer_tell_command(const struct steer *steer, const struct id *session,
                        const struct steer_command *command)
{
	struct jsonw w;
	struct buf body;

	buf_init(&body, MAIL_BODY_MAX);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "id", command->id.s);
	jsonw_u64(&w, "seq", command->seq);
	if (!id_is_nil(&command->before)) {
		jsonw_cstr(&w, "after", command->before.s);
	}
	jsonw_cstr(&w, "kind", command->kind);
	jsonw_raw(&w, "payload", command->payload);
	jsonw_end_object(&w);
	if (!buf_failed(&body)) {
		steer_notify(steer->store->redis,
		             &(struct steer_note){ .tenant = steer->who->tenant,
		                                   .sid = *session,
		                                   .kind = "command",
		                                   .body = buf_str(&body) });
	}
	buf_fini(&body);
}
