#include "approval/approval_store.h"
#include "approval/rule_store.h"
#include "audit/audit_http.h"
#include "base/clock.h"
#include "command/command_store.h"
#include "json/decode.h"
#include "json/write.h"
#include "log/log.h"
#include "steer/notify.h"
#include "steer/rule.h"
#include "steer/signature.h"
#include "steer/status.h"
#include "steer/steer.h"

enum { MOVES_TRIED = 3 };

struct verb_facts {
	const char *kind;
	enum session_state to;
	unsigned refused;
};

static const struct verb_facts verbs[STEER_VERB_COUNT] = {
#define X(id, kind, to, refused) { kind, to, refused },
#include "steer/verb.def"
#undef X
};

const char *steer_kind(enum steer_verb verb)
{
	return verbs[verb].kind;
}

static bool moves(enum steer_verb verb)
{
	return verbs[verb].to != SESSION_STATE_COUNT;
}

/* ---- payloads ---- */

static enum err_code make_payload(const struct steer *steer, const struct steer_ask *ask,
                                  struct str *ret, struct err *err)
{
	struct str payload = ask->payload;

	if (ask->approval != NULL) {
		payload = steer_approval_json(ask->approval, steer->arena);
	} else if (payload.p == NULL) {
		payload = steer_reason_json(ask->reason, steer->arena);
	}
	if (payload.p == NULL || payload.n > STEER_PAYLOAD_MAX) {
		return err_set(err, ERR_TOO_LARGE, "too much for one %s", verbs[ask->verb].kind);
	}
	*ret = payload;
	return ERR_OK;
}

/* ---- may it be asked ---- */

static enum err_code check_state(const struct steer_session *session, enum steer_verb verb,
                                 struct err *err)
{
	const struct verb_facts *facts = &verbs[verb];
	const char *name = session_state_name(session->state);

	if (moves(verb)) {
		return session->state == facts->to ||
		                       session_move_allowed(session->state, facts->to)
		               ? ERR_OK
		               : err_set(err, ERR_ILLEGAL_MOVE,
		                         "%s is not possible: the session is %s", facts->kind,
		                         name);
	}
	if (session_is_terminal(session->state)) {
		return err_set(err, ERR_GONE, "the session is %s", name);
	}
	return (facts->refused & session_bit(session->state)) == 0
	               ? ERR_OK
	               : err_set(err, ERR_CONFLICT, "the session is %s", name);
}

/* ---- moving the log ---- */

/* ERR_ILLEGAL_MOVE: it has moved meanwhile, session->state says where to. */
static enum err_code try_move(const struct steer *steer, struct steer_session *session,
                              enum session_state to, struct str reason, struct err *err)
{
	const struct log_new event = { EVENT_TYPE_STATUS,
		                       steer_status_json(to, reason, steer->arena) };
	const struct log_batch batch = { .sid = session->id,
		                         .tenant = steer->who->tenant,
		                         .from = session_bit(session->state),
		                         .moves = true,
		                         .to = to,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	enum err_code code = log_append(steer->store, &batch, &result, err);

	if (code != ERR_OK) {
		return code;
	}
	if (result.outcome == LOG_OK) {
		session->state = to;
	} else if (result.outcome == LOG_MOVED || result.outcome == LOG_ENDED) {
		session->state = result.state;
		return err_set(err, ERR_ILLEGAL_MOVE, "the session is %s",
		               session_state_name(result.state));
	}
	return log_result_err(&result, err);
}

/* A session that no agent works on yet is stopped on the spot. */
static enum err_code stop_queued(const struct steer *steer, struct steer_session *session,
                                 const struct steer_ask *ask, struct steer_done *done,
                                 struct err *err)
{
	enum err_code code;

	if (ask->verb != STEER_STOP || session->state != SESSION_QUEUED) {
		return ERR_OK;
	}
	code = try_move(steer, session, SESSION_STOPPED, ask->reason, err);
	done->moved = code == ERR_OK;
	return code == ERR_ILLEGAL_MOVE ? ERR_OK : code;
}

/* ---- in the transaction ---- */

/* The first answer stands: agents are answered once. The same again is that answer. */
static enum err_code find_answer(struct pg_tx *tx, const struct command_new *row,
                                 const struct steer_approval *approval, struct steer_done *done,
                                 struct err *err)
{
	char at[CLOCK_RFC3339_SIZE];
	struct command_answer answer;
	enum err_code code = command_answer_get(tx, row, approval->request, &answer, err);

	if (code != ERR_OK) {
		return code;
	}
	if (answer.same) {
		done->repeated = true;
		done->command = answer.id;
		done->seq = answer.seq;
		return ERR_OK;
	}
	clock_format(answer.at_us, at);
	return err_set(err, ERR_CONFLICT,
	               "the permission request has its answer: %s, by %.64s at %s", answer.behavior,
	               answer.by, at);
}

static enum err_code check_request(struct pg_tx *tx, const struct command_new *row,
                                   const struct steer_approval *approval, struct steer_done *done,
                                   struct err *err)
{
	bool answered;
	enum err_code code =
		command_answered(tx, row->tenant, &row->session, approval->request, &answered, err);

	if (code == ERR_OK && answered) {
		return find_answer(tx, row, approval, done, err);
	}
	if (code == ERR_OK && approval->is_void) {
		return err_set(err, ERR_NOT_FOUND, "no such permission request waits");
	}
	return code;
}

/* The row of the question, and the rule: with the answer, or not at all. */
static enum err_code keep_answer(const struct steer *steer, struct pg_tx *tx,
                                 const struct command_new *row,
                                 const struct steer_approval *approval, struct steer_done *done,
                                 struct err *err)
{
	struct approval_answer answer = {
		.tenant = row->tenant,
		.session = row->session,
		.request = approval->request,
		.by = str_of(steer_answerer(approval, steer->who)),
		.scope = str_of(approval->scope),
		.command = str_of(done->command.s),
		.state = strcmp(approval->behavior, "allow") == 0 ? APPROVAL_ALLOWED
		                                                  : APPROVAL_DENIED,
		.at_us = clock_wall_us(),
	};
	enum err_code code = ERR_OK;

	if (approval->outcome != NULL) {
		answer.state = APPROVAL_EXPIRED;
	}
	if (approval->rule != NULL) {
		code = approval_rule_add(tx, row->tenant, approval->rule, row->created_by,
		                         &done->rule, err);
		answer.rule = str_of(done->rule.s);
	}
	return code == ERR_OK ? approval_answered_in(tx, &answer, err) : code;
}

/* A signature that was seen before is a copy, whatever became of the answer. */
static enum err_code use_signature(const struct steer *steer, struct pg_tx *tx,
                                   const struct id *session, const struct steer_approval *approval,
                                   struct err *err)
{
	bool fresh = true;
	enum err_code code = ERR_OK;

	if (approval->signature != NULL && steer->trail != NULL) {
		code = command_use_nonce(tx, steer->who->tenant, session,
		                         approval->signature->nonce, &fresh, err);
	}
	return code == ERR_OK && !fresh
	               ? err_set(err, ERR_FORBIDDEN, "the signature was used before")
	               : code;
}

static enum err_code add_row(const struct steer *steer, struct pg_tx *tx,
                             const struct command_new *row, const struct steer_ask *ask,
                             struct steer_done *done, struct err *err)
{
	const struct command_end end = { .id = row->id, .state = COMMAND_DONE };
	bool changed;
	enum err_code code = ERR_OK;

	/* Nobody has to do it; a row is only for who may ask again by that name. */
	if (done->moved && id_is_nil(&row->id)) {
		return ERR_OK;
	}
	if (ask->approval != NULL) {
		code = use_signature(steer, tx, &row->session, ask->approval, err);
		code = code == ERR_OK ? check_request(tx, row, ask->approval, done, err) : code;
	}
	if (done->repeated) {
		return code;
	}
	if (code == ERR_OK) {
		code = command_add(tx, row, &done->command, &done->seq, err);
	}
	if (code == ERR_OK && ask->approval != NULL) {
		code = keep_answer(steer, tx, row, ask->approval, done, err);
	}
	return code == ERR_OK && done->moved
	               ? command_finish_in(tx, row->tenant, &end, &changed, err)
	               : code;
}

static enum session_state aim_of(const struct steer_session *session, enum steer_verb verb)
{
	return moves(verb) ? verbs[verb].to : session->state;
}

static enum err_code write_new(const struct steer *steer, struct pg_tx *tx,
                               struct steer_session *session, const struct steer_ask *ask,
                               struct steer_done *done, struct err *err)
{
	const struct command_new row = { .id = ask->command,
		                         .tenant = steer->who->tenant,
		                         .session = session->id,
		                         .kind = verbs[ask->verb].kind,
		                         .payload = done->payload,
		                         .created_by = auth_actor(steer->who) };
	enum err_code code = ERR_OK;

	if (!id_is_nil(&row.id)) {
		code = command_again(tx, &row, &done->repeated, &done->seq, err);
		done->command = row.id;
	}
	if (code != ERR_OK || done->repeated) {
		return code;
	}
	code = stop_queued(steer, session, ask, done, err);
	if (code == ERR_OK && !done->moved) {
		code = check_state(session, ask->verb, err);
	}
	return code == ERR_OK ? add_row(steer, tx, &row, ask, done, err) : code;
}

enum err_code steer_write(const struct steer *steer, struct pg_tx *tx,
                          struct steer_session *session, const struct steer_ask *ask,
                          struct steer_done *ret, struct err *err)
{
	struct steer_done done = { .repeated = false };
	enum err_code code = make_payload(steer, ask, &done.payload, err);

	if (code == ERR_OK) {
		code = write_new(steer, tx, session, ask, &done, err);
	}
	if (code == ERR_OK) {
		bool is_there = done.moved || session_is_terminal(session->state);

		done.state = is_there ? session->state : aim_of(session, ask->verb);
		*ret = done;
	}
	return code;
}

/* ---- after the commit ---- */

/* Its note may be lost or late: this one must not overtake it. Not knowing costs the order only
 * then. */
static struct id find_before(const struct steer *steer, const struct steer_session *session,
                             const struct steer_ask *ask, const struct steer_done *done)
{
	struct id before = { "" };
	struct err err;

	if (ask->verb == STEER_PROMPT && done->seq > 1 &&
	    command_before(steer->pg, steer->who->tenant, &session->id, done->seq, &before, &err) !=
	            ERR_OK) {
		log_debug("command.unordered", "command=%s code=%s %s", done->command.s,
		          err_name(err.code), err.msg);
	}
	return before;
}

static void tell_worker(const struct steer *steer, const struct steer_session *session,
                        const struct steer_ask *ask, const struct steer_done *done)
{
	const struct id before = find_before(steer, session, ask, done);

	steer_tell_command(steer, &session->id,
	                   &(struct steer_command){ .id = done->command,
	                                            .before = before,
	                                            .seq = done->seq,
	                                            .kind = steer_kind(ask->verb),
	                                            .payload = done->payload });
}

/* The command is durable: whatever fails here is done by the worker. */
static void make_move(const struct steer *steer, struct steer_session *session,
                      const struct steer_ask *ask)
{
	enum session_state to = verbs[ask->verb].to;
	struct err err;

	for (unsigned tries = 0; tries < MOVES_TRIED && session->state != to &&
	                         session_move_allowed(session->state, to);
	     tries++) {
		if (try_move(steer, session, to, ask->reason, &err) != ERR_OK &&
		    err.code != ERR_ILLEGAL_MOVE) {
			log_warn("session.unmoved", "session=%s to=%s code=%s %s", session->id.s,
			         session_state_name(to), err_name(err.code), err.msg);
			return;
		}
	}
}

/* Whoever else was asked need not answer any more. */
static void tell_others(const struct steer *steer, const struct steer_session *session,
                        const struct steer_approval *approval, const struct steer_done *done)
{
	const struct log_new event = { EVENT_TYPE_PERMISSION_RESOLVED,
		                       steer_resolved_json(approval, &done->command, &done->rule,
		                                           steer->who, steer->arena) };
	const struct log_batch batch = {
		.sid = session->id, .tenant = steer->who->tenant, .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;

	if (log_append(steer->store, &batch, &result, &err) != ERR_OK ||
	    log_result_err(&result, &err) != ERR_OK) {
		log_warn("approval.untold", "session=%s command=%s code=%s %s", session->id.s,
		         done->command.s, err_name(err.code), err.msg);
	}
}

/* One that lost its worker while it was paused. A scheduler does it too. */
static void release_held(const struct steer *steer, const struct steer_session *session,
                         enum steer_verb verb)
{
	struct err err;

	if (verb == STEER_RESUME &&
	    steer_release(steer->store->redis, steer->who->tenant, &session->id, &err) != ERR_OK) {
		log_warn("session.unreleased", "session=%s code=%s %s", session->id.s,
		         err_name(err.code), err.msg);
	}
}

void steer_follow(const struct steer *steer, struct steer_session *session,
                  const struct steer_ask *ask, const struct steer_done *done)
{
	if (done->repeated) {
		return; /* whoever was asked first told the worker, or a scheduler does */
	}
	fiber_shield();
	if (done->moved) {
		steer_finish_queue(steer, &session->id, "stopped");
	} else {
		if (moves(ask->verb)) {
			make_move(steer, session, ask);
		}
		if (ask->approval != NULL) {
			tell_others(steer, session, ask->approval, done);
		}
		if (!id_is_nil(&done->rule)) {
			struct approval_rule rule = *ask->approval->rule;

			rule.id = done->rule;
			steer_tell_rule(steer->store->redis, steer->who->tenant, &rule, false);
		}
		tell_worker(steer, session, ask, done);
		release_held(steer, session, ask->verb);
	}
	fiber_unshield();
}

/* The answer in the audit: what for, and how. */
static enum err_code write_down(const struct steer *steer, struct pg_tx *tx,
                                const struct steer_session *session, const struct steer_ask *ask,
                                const struct steer_done *done, struct err *err)
{
	const struct steer_approval *approval = ask->approval;
	struct audit_entry entry;
	enum err_code code;
	struct buf detail;
	struct jsonw w;

	if (approval == NULL || steer->trail == NULL || done->repeated) {
		return ERR_OK;
	}
	buf_init(&detail, AUDIT_DETAIL_MAX);
	jsonw_init(&w, &detail);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "request", approval->request);
	jsonw_cstr(&w, "behavior", approval->behavior);
	jsonw_cstr(&w, "scope", approval->scope);
	jsonw_bool(&w, "signed", approval->signature != NULL);
	jsonw_cstr(&w, "command", done->command.s);
	if (!id_is_nil(&done->rule)) {
		jsonw_cstr(&w, "rule", done->rule.s);
	}
	jsonw_end_object(&w);
	entry = (struct audit_entry){
		.chain = steer->who->tenant,
		.who = audit_who_is(steer->who),
		.action = STR_LIT("approval.answer"),
		.object = str_of(arena_printf(steer->arena, "session:%s", session->id.s)),
		.detail = buf_str(&detail),
	};
	entry.who.address = steer->address;
	code = audit_append(tx, &steer->trail->audit, &entry, err);
	buf_fini(&detail);
	return code;
}

static enum err_code commit(const struct steer *steer, struct steer_session *session,
                            const struct steer_ask *ask, struct steer_done *ret, struct err *err)
{
	CLEANUP(pg_tx_cleanup) struct pg_tx *tx = NULL;
	enum err_code code = pg_begin(steer->pg, steer->who->tenant, &tx, err);

	if (code != ERR_OK) {
		/* Nothing was asked of it yet, so nothing can have happened. */
		return code == ERR_CANCELLED ? code : err_set(err, ERR_UNAVAILABLE, "PostgreSQL");
	}
	code = steer_write(steer, tx, session, ask, ret, err);
	if (code == ERR_OK) {
		code = write_down(steer, tx, session, ask, ret, err);
	}
	if (code == ERR_OK) {
		struct pg_tx *ready = tx;

		tx = NULL;
		code = pg_commit(ready, err);
	}
	return code == ERR_TIMEOUT ? err_set(err, ERR_UNKNOWN, "no answer in time") : code;
}

/* Does it count, does somebody wait for it, and what does it make? */
static enum err_code prepare_approval(const struct steer *steer, struct steer_session *session,
                                      struct steer_approval *approval, struct approval_rule *rule,
                                      struct err *err)
{
	struct str question = STR_LIT("");
	bool waits = true, made = false;

	if (steer->trail != NULL &&
	    steer_check_signature(steer->trail, &session->id, str_of(auth_actor(steer->who)),
	                          approval, clock_wall_us(), err) != ERR_OK) {
		return err->code;
	}
	if (steer_is_asked(steer, session, approval->request, &waits, &question, err) != ERR_OK) {
		return steer_only_read(err);
	}
	approval->is_void = !waits;
	if (waits &&
	    steer_make_rule(steer, session, approval, question, rule, &made, err) != ERR_OK) {
		return err->code == ERR_INVALID ? ERR_INVALID : steer_only_read(err);
	}
	approval->rule = made ? rule : NULL;
	return ERR_OK;
}

enum err_code steer_send(const struct steer *steer, struct steer_session *session,
                         const struct steer_ask *ask, struct steer_done *ret, struct err *err)
{
	struct steer_ask checked = *ask;
	struct steer_approval approval;
	struct approval_rule rule;
	struct steer_done done;

	if (ask->approval != NULL) {
		approval = *ask->approval;
		checked.approval = &approval;
		if (prepare_approval(steer, session, &approval, &rule, err) != ERR_OK) {
			return err->code;
		}
	}
	if (commit(steer, session, &checked, &done, err) != ERR_OK) {
		return err->code;
	}
	steer_follow(steer, session, &checked, &done);
	*ret = done;
	return ERR_OK;
}
