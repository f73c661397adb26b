/* Steering against real servers: the row, the move, and the note in the worker's mailbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "command/command_store.h"
#include "cred/base64url.h"
#include "cred/mac.h"
#include "event/prompt_claim.h"
#include "json/decode.h"
#include "json/value.h"
#include "redis/redis.h"
#include "steer/notify.h"
#include "steer/publish.h"
#include "steer/signature.h"
#include "steer/steer.h"
#include "task_world.h"
#include "tests/integration/crew.h"
#include "tests/support/test.h"

enum { WAIT_MS = 20000 };

SQL(test_steer_row, "SELECT kind, state, seq, payload FROM commands WHERE id = $1::text");
SQL(test_steer_count, "SELECT count(*) FROM commands");

/* ---- the stage: one session, and who acts on it ---- */

struct stage {
	struct world *world;
	struct log_store store;
	struct principal who;
	struct steer steer;
	struct steer_session session;
	struct crew crew;
	void (*body)(struct stage *stage);
};

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s: %s", err_name(code), err->msg);
	}
}

/* Somebody else may have moved it. */
static void look(struct stage *stage)
{
	struct err err;

	must(steer_find(&stage->steer, &stage->session.id, &stage->session, &err), &err);
}

static void move(struct stage *stage, enum session_state to)
{
	crew_move(&stage->crew, &stage->session.id, to);
	look(stage);
}

static void lease(struct stage *stage)
{
	crew_lease(&stage->crew, &stage->session.id);
	look(stage);
}

static void publish(struct stage *stage)
{
	struct task_accepted accepted;
	struct steer_publication publication = { .tenant = TENANT,
		                                 .needs = "runtime=local,agent=command" };
	struct err err;

	clear_rows(stage->world);
	accepted = accept_task(stage->world, BODY(AGENT(1), ""));
	publication.sid = stage->session.id = accepted.sessions[0];
	must(steer_publish(&stage->store, stage->world->pg, &publication, false, &err), &err);
	look(stage);
}

static void flush(struct redis *redis)
{
	struct redis_cmd *cmd CLEANUP(redis_cmd_cleanup) = redis_cmd_new();
	struct redis_reply *reply CLEANUP(redis_reply_cleanup) = NULL;
	struct err err;

	redis_arg_cstr(cmd, "FLUSHALL");
	must(redis_call(redis, cmd, &reply, &err), &err);
}

static void on_stage(struct world *world, void (*body)(struct stage *stage))
{
	const struct redis_options redis = { getenv("TEST_REDIS_URL"), 5000, 100 };
	struct stage stage = { .world = world,
		               .who = { .tenant = TENANT,
		                        .key = id_new(),
		                        .scopes = auth_bit(AUTH_SESSION_WRITE),
		                        .any_namespace = true },
		               .crew = { .tenant = TENANT, .mail_at = "0" } };
	struct err err;

	stage.store = (struct log_store){ .redis = redis_new(world->loop, &redis, &err),
		                          .generation = 1,
		                          .unarchived_max = 16 * 1024 * 1024 };
	stage.crew.store = &stage.store;
	stage.steer = (struct steer){
		.store = &stage.store, .pg = world->pg, .who = &stage.who, .arena = test_arena()
	};
	must(redis_wait_connected(stage.store.redis, WAIT_MS, &err), &err);
	flush(stage.store.redis);
	publish(&stage);
	body(&stage);
	redis_free(stage.store.redis);
}

#define ON_STAGE(name, body)                                                                       \
	static void name##_world(struct world *world)                                              \
	{                                                                                          \
		on_stage(world, body);                                                             \
	}                                                                                          \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		world_run(name##_world);                                                           \
	}

/* ---- what came of it ---- */

static void expect_row(struct stage *stage, const struct id *id, const char *kind,
                       const char *state, const char *payload)
{
	const char *const params[] = { id->s, NULL };
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) =
		ask(stage->world->pg, "", &test_steer_row, params);

	assert_int_equal(pg_rows_count(rows), 1);
	assert_string_equal(pg_str(rows, 0, 0).p, kind);
	assert_string_equal(pg_str(rows, 0, 1).p, state);
	assert_string_equal(pg_str(rows, 0, 3).p, payload);
}

/* The next note for the worker is of that kind and about that command. */
static void expect_mail(struct stage *stage, const char *kind, const struct id *command)
{
	CLEANUP(json_value_cleanup)
	struct json_value *body = crew_mail(&stage->crew, kind, &stage->session.id);

	if (command != NULL) {
		assert_string_equal(json_as_str(json_get(body, "id")).p, command->s);
	}
}

/* The last event of the log. */
static void expect_event(struct stage *stage, const char *type, const char *part)
{
	struct log_range range = {
		.sid = stage->session.id, .tenant = TENANT, .max_count = 1, .max_bytes = 64 * 1024
	};
	struct log_page page = { 0 };
	struct err err;

	look(stage);
	range.after = stage->session.head.at;
	range.after.n--;
	range.after.epoch = CURSOR_EPOCH_ANY;
	must(log_read(&stage->store, &range, &page, &err), &err);
	assert_int_equal(page.count, 1);
	assert_true(str_eq(page.events[0].type, str_of(type)));
	if (memmem(page.events[0].data.p, page.events[0].data.n, part, strlen(part)) == NULL) {
		fail_msg("no %s in %.*s", part, (int)page.events[0].data.n, page.events[0].data.p);
	}
	log_page_fini(&page);
}

static struct steer_done send_ask(struct stage *stage, const struct steer_ask *what)
{
	struct steer_done done;
	struct err err;

	must(steer_send(&stage->steer, &stage->session, what, &done, &err), &err);
	return done;
}

static enum err_code refused(struct stage *stage, const struct steer_ask *what)
{
	struct steer_done done;
	struct err err = { .code = ERR_OK };

	(void)!steer_send(&stage->steer, &stage->session, what, &done, &err);
	return err.code;
}

/* ---- the tests ---- */

static void prompt_body(struct stage *stage)
{
	struct str lines[] = { STR_LIT("go"), STR_LIT("on") };
	struct steer_ask what = { .verb = STEER_PROMPT };
	struct steer_done done;
	struct err err;

	must(steer_prompt(&(struct json_list){ lines, 2 }, test_arena(), &what.payload, &err),
	     &err);
	lease(stage);
	done = send_ask(stage, &what);
	assert_int_equal(done.seq, 1);
	assert_int_equal(done.state, SESSION_RUNNING);
	expect_row(stage, &done.command, "prompt", "queued", "{\"prompt\": \"go\\non\"}");
	expect_mail(stage, "command", &done.command);
	move(stage, SESSION_PAUSING);
	assert_int_equal(refused(stage, &what), ERR_CONFLICT);
	move(stage, SESSION_FAILED);
	assert_int_equal(refused(stage, &what), ERR_GONE);
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_prompt_is_a_row_and_a_note_to_the_worker, prompt_body)

/* Who asked first died before it told the worker. */
static void order_body(struct stage *stage)
{
	const struct steer_ask what = { .verb = STEER_PROMPT,
		                        .payload = STR_LIT("{\"prompt\":\"x\"}") };
	CLEANUP(json_value_cleanup) struct json_value *body = NULL;
	struct steer_done first;
	struct pg_tx *tx = NULL;
	struct err err;

	lease(stage);
	must(pg_begin(stage->world->pg, TENANT, &tx, &err), &err);
	must(steer_write(&stage->steer, tx, &stage->session, &what, &first, &err), &err);
	must(pg_commit(tx, &err), &err);
	(void)send_ask(stage, &what);
	body = crew_mail(&stage->crew, "command", &stage->session.id);
	assert_string_equal(json_as_str(json_get(body, "after")).p, first.command.s);
	assert_int_equal(json_as_i64(json_get(body, "seq")), 2);
}
ON_STAGE(a_prompt_says_which_one_must_come_before_it, order_body)

static void waiting_body(struct stage *stage)
{
	struct str lines[] = { STR_LIT("better") };
	const struct json_list texts = { lines, 1 };
	const struct steer_words words = { .texts = &texts, .steers = true };
	const struct steer_ask what = { .verb = STEER_PROMPT,
		                        .payload = STR_LIT("{\"prompt\":\"x\"}") };
	const struct id none = { "" };
	struct command_list list;
	struct steer_done first, second, third;
	enum prompt_claim whose;
	struct str again;
	struct err err;

	lease(stage);
	first = send_ask(stage, &what);
	second = send_ask(stage, &what);
	third = send_ask(stage, &what);
	for (unsigned i = 0; i < 3; i++) {
		expect_mail(stage, "command", NULL);
	}
	must(steer_prompts(&stage->steer, &stage->session.id, &list, &err), &err);
	assert_int_equal(list.count, 3);
	assert_true(id_eq(&list.items[0].id, &first.command));
	/* One is changed: the worker hears of it, and the others too. */
	must(steer_prompt_edit(&stage->steer, &stage->session, &second.command, &words, &err),
	     &err);
	expect_row(stage, &second.command, "prompt", "queued",
	           "{\"steer\": true, \"prompt\": \"better\", \"version\": 2}");
	expect_mail(stage, "command", &second.command);
	expect_event(stage, "prompt_edited", "\"content\":\"better\"");
	must(prompt_claim_take(stage->store.redis, &stage->session.id, second.command.s, 1, &whose,
	                       &err),
	     &err);
	assert_int_equal(whose, PROMPT_NEWER);
	/* One is taken back: once is enough, and the agent does not get it. */
	must(steer_prompt_cancel(&stage->steer, &stage->session, &third.command, &err), &err);
	must(steer_prompt_cancel(&stage->steer, &stage->session, &third.command, &err), &err);
	expect_event(stage, "prompt_cancelled", third.command.s);
	must(prompt_claim_take(stage->store.redis, &stage->session.id, third.command.s, 1, &whose,
	                       &err),
	     &err);
	assert_int_equal(whose, PROMPT_GONE);
	assert_int_equal(
		steer_prompt_edit(&stage->steer, &stage->session, &third.command, &words, &err),
		ERR_CONFLICT);
	/* What the agent has is nobody's to change, although the row does not say so yet. */
	must(prompt_claim_take(stage->store.redis, &stage->session.id, first.command.s, 1, &whose,
	                       &err),
	     &err);
	assert_int_equal(whose, PROMPT_MINE);
	assert_int_equal(steer_prompt_cancel(&stage->steer, &stage->session, &first.command, &err),
	                 ERR_CONFLICT);
	assert_int_equal(
		steer_prompt_edit(&stage->steer, &stage->session, &first.command, &words, &err),
		ERR_CONFLICT);
	expect_row(stage, &first.command, "prompt", "queued", "{\"prompt\": \"x\"}");
	assert_int_equal(
		steer_prompt_cancel(&stage->steer, &stage->session, &stage->session.id, &err),
		ERR_NOT_FOUND);
	must(steer_prompt_again(&stage->steer, &stage->session.id, &none, &again, &err), &err);
	assert_true(memmem(again.p, again.n, "better", 6) != NULL);
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_prompt_that_waits_is_changed_or_taken_back_until_the_agent_has_it, waiting_body)

static void again_body(struct stage *stage)
{
	struct steer_ask what = { .verb = STEER_PROMPT,
		                  .payload = STR_LIT("{\"prompt\":\"x\"}"),
		                  .command = id_new() };
	struct steer_done done;

	lease(stage);
	assert_false(send_ask(stage, &what).repeated);
	expect_mail(stage, "command", &what.command);
	done = send_ask(stage, &what);
	assert_true(done.repeated && id_eq(&done.command, &what.command) && done.seq == 1);
	what.payload = STR_LIT("{\"prompt\":\"y\"}");
	assert_int_equal(refused(stage, &what), ERR_KEY_REUSED);
	/* What was answered is answered, even when it could not be asked any more. */
	move(stage, SESSION_COMPLETED);
	what.payload = STR_LIT("{\"prompt\":\"x\"}");
	assert_true(send_ask(stage, &what).repeated);
	assert_int_equal(number(stage->world->pg, "", &test_steer_count), 1);
	crew_no_mail(&stage->crew);
}
ON_STAGE(a_command_by_the_clients_name_is_asked_once, again_body)

static void control_body(struct stage *stage)
{
	const struct steer_ask pause = { .verb = STEER_PAUSE, .reason = STR_LIT("lunch") };
	const struct steer_ask resume = { .verb = STEER_RESUME };
	const struct steer_ask stop = { .verb = STEER_STOP };
	struct steer_done done;

	lease(stage);
	done = send_ask(stage, &pause);
	assert_int_equal(done.state, SESSION_PAUSING);
	expect_row(stage, &done.command, "pause", "queued", "{\"reason\": \"lunch\"}");
	expect_event(stage, "status", "\"reason\":\"lunch\"");
	expect_mail(stage, "command", &done.command);
	assert_int_equal(refused(stage, &resume), ERR_ILLEGAL_MOVE);
	done = send_ask(stage, &stop);
	assert_int_equal(done.state, SESSION_STOPPING);
	expect_mail(stage, "command", &done.command);
	done = send_ask(stage, &stop);
	assert_int_equal(done.seq, 3);
}
ON_STAGE(a_move_is_in_the_log_once_it_is_asked_for, control_body)

static void queued_body(struct stage *stage)
{
	const struct steer_ask stop = { .verb = STEER_STOP, .command = id_new() };
	const struct queue queue = steer_queue(stage->store.redis, TENANT);
	struct steer_done done = send_ask(stage, &stop);
	struct queue_item item;
	struct err err;

	assert_true(done.moved && done.state == SESSION_STOPPED);
	expect_row(stage, &stop.command, "stop", "done", "{}");
	expect_event(stage, "status", "stopped");
	must(queue_get(&queue, &stage->session.id, &item, &err), &err);
	assert_int_equal(item.set, QUEUE_DONE);
	done = send_ask(stage, &stop);
	assert_true(done.repeated && done.state == SESSION_STOPPED);
}
ON_STAGE(a_queued_session_stops_on_the_spot_and_says_so_again, queued_body)

/* The agent asks. */
static void request(struct stage *stage, const char *id)
{
	char data[64];
	struct log_new event = { EVENT_TYPE_PERMISSION_REQUEST, { data, 0 } };
	const struct log_batch batch = {
		.sid = stage->session.id, .tenant = TENANT, .events = &event, .count = 1
	};
	struct log_result result;
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"request_id\":\"%s\"}", id);
	event.data = str_of(data);
	must(log_append(&stage->store, &batch, &result, &err), &err);
	look(stage);
}

static void approval_body(struct stage *stage)
{
	struct steer_approval yes = { .request = STR_LIT("r1"),
		                      .behavior = "allow",
		                      .scope = "session",
		                      .updated_input = STR_LIT("{\"a\":1}") };
	struct steer_approval no = { .request = STR_LIT("r1"),
		                     .behavior = "deny",
		                     .scope = "once",
		                     .message = STR_LIT("never") };
	struct steer_ask what = { .verb = STEER_APPROVAL, .approval = &yes };
	struct steer_done done;

	lease(stage);
	assert_int_equal(refused(stage, &what), ERR_NOT_FOUND);
	request(stage, "r1");
	request(stage, "r2");
	done = send_ask(stage, &what);
	expect_row(stage, &done.command, "approval", "queued",
	           "{\"scope\": \"session\", \"behavior\": \"allow\", \"request_id\": \"r1\", "
	           "\"updated_input\": {\"a\": 1}}");
	expect_mail(stage, "command", &done.command);
	expect_event(stage, "permission_resolved", "\"behavior\":\"allow\"");
	what.approval = &no;
	assert_int_equal(refused(stage, &what), ERR_CONFLICT);
	no.request = STR_LIT("r2");
	done = send_ask(stage, &what);
	expect_event(stage, "permission_resolved", stage->who.key.s);
	/* Another agent does not wait for what the one before asked. */
	request(stage, "r3");
	move(stage, SESSION_QUEUED);
	no.request = STR_LIT("r3");
	assert_int_equal(refused(stage, &what), ERR_NOT_FOUND);
}
ON_STAGE(the_first_answer_to_a_permission_request_stands, approval_body)

/* As a client that has the key of its participant. */
static void sign(struct stage *stage, struct steer_approval *approval,
                 struct steer_signature *signature, char mac_text[64])
{
	struct cred_pepper key =
		steer_signing_key(&stage->steer.trail->permissions, &stage->session.id,
	                          str_of(auth_actor(&stage->who)));
	const struct str parts[] = { STR_LIT("fairlead approval 1"),
		                     str_of(stage->session.id.s),
		                     str_of(auth_actor(&stage->who)),
		                     approval->request,
		                     str_of(approval->behavior),
		                     str_of(approval->scope),
		                     signature->input,
		                     signature->permissions,
		                     approval->message,
		                     signature->at,
		                     signature->nonce };
	struct cred_digest mac = cred_mac(&key, parts, ARRAY_LEN(parts));
	struct buf text;

	buf_init(&text, 64);
	cred_base64url_encode(cred_digest_str(&mac), &text);
	assert_true(str_copy(mac_text, 64, buf_str(&text)));
	buf_fini(&text);
	signature->mac = str_of(mac_text);
	approval->signature = signature;
}

struct rival {
	struct stage *stage;
	struct steer_session session;
	struct steer_ask ask;
	enum err_code code;
};

static void answer_too(void *arg)
{
	struct rival *rival = arg;
	struct steer_done done;
	struct err err;

	rival->code = steer_send(&rival->stage->steer, &rival->session, &rival->ask, &done, &err);
}

/* Two answers at once, both signed well: one counts. */
static void expect_one_of_two(struct stage *stage, const struct steer_approval *one,
                              const struct steer_approval *other)
{
	struct rival rivals[] = {
		{ .stage = stage,
		  .session = stage->session,
		  .ask = { STEER_APPROVAL, .approval = one } },
		{ .stage = stage,
		  .session = stage->session,
		  .ask = { STEER_APPROVAL, .approval = other } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rivals); i++) {
		(void)fiber_start(stage->world->loop, &stage->world->group, "rival", answer_too,
		                  &rivals[i]);
	}
	assert_int_equal(fiber_group_wait(&stage->world->group, WAIT_MS), ERR_OK);
	assert_true((rivals[0].code == ERR_OK && rivals[1].code == ERR_CONFLICT) ||
	            (rivals[1].code == ERR_OK && rivals[0].code == ERR_CONFLICT));
}

static void signed_body(struct stage *stage)
{
	SQL(test_signed_rows, "SELECT count(*) FROM audit WHERE action = 'approval.answer' AND "
	                      "outcome = 'done' AND (detail::jsonb ->> 'signed')::boolean");
	uint64_t before = number(stage->world->pg, "", &test_signed_rows);
	struct steer_trail trail = { .permissions = { "for tests" }, .must_sign = true };
	struct steer_signature one = { .nonce = STR_LIT("first-0123456789") }, other = one;
	struct steer_approval yes = { .request = STR_LIT("s1"),
		                      .behavior = "allow",
		                      .scope = "once" };
	struct steer_approval no = { .request = STR_LIT("s2"),
		                     .behavior = "deny",
		                     .scope = "once" };
	struct steer_ask what = { .verb = STEER_APPROVAL, .approval = &yes };
	char at[32], mac[64], mac_too[64];

	stage->steer.trail = &trail;
	(void)snprintf(at, sizeof(at), "%lld", (long long)(clock_wall_us() / 1000));
	one.at = other.at = str_of(at);
	lease(stage);
	request(stage, "s1");
	request(stage, "s2");
	request(stage, "s3");
	assert_int_equal(refused(stage, &what), ERR_FORBIDDEN);
	sign(stage, &yes, &one, mac);
	yes.scope = "always";
	assert_int_equal(refused(stage, &what), ERR_FORBIDDEN);
	yes.scope = "once";
	(void)send_ask(stage, &what);
	/* The very same once more, and its nonce in another answer. */
	assert_int_equal(refused(stage, &what), ERR_FORBIDDEN);
	what.approval = &no;
	sign(stage, &no, &other, mac_too);
	assert_int_equal(refused(stage, &what), ERR_FORBIDDEN);
	other.nonce = STR_LIT("second-0123456789");
	sign(stage, &no, &other, mac_too);
	(void)send_ask(stage, &what);
	yes.request = no.request = STR_LIT("s3");
	one.nonce = STR_LIT("third-0123456789");
	other.nonce = STR_LIT("fourth-0123456789");
	sign(stage, &yes, &one, mac);
	sign(stage, &no, &other, mac_too);
	expect_one_of_two(stage, &yes, &no);
	assert_int_equal(number(stage->world->pg, "", &test_signed_rows), before + 3);
}
ON_STAGE(a_signed_answer_counts_once_and_is_written_down, signed_body)

static void say_state(struct stage *stage, enum session_state to, const char *data)
{
	const struct log_new event = { EVENT_TYPE_STATUS, str_of(data) };
	const struct log_batch batch = { .sid = stage->session.id,
		                         .tenant = TENANT,
		                         .moves = true,
		                         .to = to,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	struct err err;

	must(log_append(&stage->store, &batch, &result, &err), &err);
	must(log_result_err(&result, &err), &err);
	look(stage);
}

/* What its worker does when others need the place. */
static void evict(struct stage *stage)
{
	const struct queue queue = steer_queue(stage->store.redis, TENANT);
	const struct queue_move about = { .sid = stage->session.id, .reason = QUEUE_EVICTED };
	enum queue_set set;
	struct err err;

	must(queue_park(&queue, &about, &set, &err), &err);
	say_state(stage, SESSION_QUEUED, "{\"status\":\"queued\",\"evicted\":true}");
	must(queue_evict(&queue, &about, &set, &err), &err);
	assert_int_equal(set, QUEUE_HELD);
}

static void evicted_body(struct stage *stage)
{
	struct steer_approval yes = { .request = STR_LIT("r1"),
		                      .behavior = "allow",
		                      .scope = "once" };
	const struct steer_ask what = { .verb = STEER_APPROVAL, .approval = &yes };
	struct queue queue = steer_queue(stage->store.redis, TENANT);
	struct queue_item item;
	struct err err;

	lease(stage);
	request(stage, "r1");
	request(stage, "r2");
	evict(stage);
	(void)send_ask(stage, &what);
	must(queue_get(&queue, &stage->session.id, &item, &err), &err);
	assert_int_equal(item.set, QUEUE_READY);
	/* Begun again with what it had it still waits for the other answer... */
	say_state(stage, SESSION_PROVISIONING, "{\"status\":\"provisioning\"}");
	say_state(stage, SESSION_QUEUED, "{\"status\":\"queued\"}"); /* refused: no slot */
	say_state(stage, SESSION_PROVISIONING, "{\"status\":\"provisioning\"}");
	say_state(stage, SESSION_RUNNING, "{\"status\":\"running\",\"restored\":true}");
	yes.request = STR_LIT("r2");
	(void)send_ask(stage, &what);
	/* ... and without, for none. */
	request(stage, "r3");
	say_state(stage, SESSION_QUEUED, "{\"status\":\"queued\",\"evicted\":true}");
	say_state(stage, SESSION_PROVISIONING, "{\"status\":\"provisioning\"}");
	say_state(stage, SESSION_RUNNING, "{\"status\":\"running\"}");
	yes.request = STR_LIT("r3");
	assert_int_equal(refused(stage, &what), ERR_NOT_FOUND);
}
ON_STAGE(an_answer_brings_back_who_made_room_and_waits_for_it, evicted_body)

static void cancel_body(struct stage *stage)
{
	struct err err;

	lease(stage);
	must(steer_cancel(&stage->steer, &stage->session, STR_LIT("enough"), &err), &err);
	expect_event(stage, "status", "\"reason\":\"enough\"");
	expect_mail(stage, "fence", NULL);
	must(steer_cancel(&stage->steer, &stage->session, STR_LIT("enough"), &err), &err);
	assert_int_equal(stage->session.state, SESSION_CANCELLED);
	crew_no_mail(&stage->crew);
}
ON_STAGE(cancelling_fences_the_worker_and_may_be_repeated, cancel_body)

static void foreign_body(struct stage *stage)
{
	struct principal rival = { .tenant = OTHER, .any_namespace = true };
	struct principal limited = stage->who;
	struct steer_session found;
	struct err err;

	stage->steer.who = &rival;
	assert_int_equal(steer_find(&stage->steer, &stage->session.id, &found, &err),
	                 ERR_NOT_FOUND);
	assert_string_equal(err.msg, "no such session");
	limited.any_namespace = false;
	(void)str_copy(limited.namespaces, sizeof(limited.namespaces), STR_LIT("red"));
	stage->steer.who = &limited;
	assert_int_equal(steer_find(&stage->steer, &stage->session.id, &found, &err),
	                 ERR_NOT_FOUND);
	assert_string_equal(err.msg, "no such session");
}
ON_STAGE(who_may_not_see_a_session_is_told_that_there_is_none, foreign_body)

static void large_body(struct stage *stage)
{
	char *text = arena_take(test_arena(), STEER_PAYLOAD_MAX);
	struct str line = { text, 12 * 1024 };
	struct str payload;
	struct err err;

	(void)stage;
	memset(text, 1, STEER_PAYLOAD_MAX); /* six bytes each, escaped */
	assert_int_equal(
		steer_prompt(&(struct json_list){ &line, 1 }, test_arena(), &payload, &err),
		ERR_TOO_LARGE);
	line.n = 10 * 1024;
	assert_int_equal(
		steer_prompt(&(struct json_list){ &line, 1 }, test_arena(), &payload, &err),
		ERR_OK);
}
ON_STAGE(a_prompt_fits_into_a_note_or_is_refused, large_body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_is_a_row_and_a_note_to_the_worker),
		cmocka_unit_test(a_prompt_says_which_one_must_come_before_it),
		cmocka_unit_test(
			a_prompt_that_waits_is_changed_or_taken_back_until_the_agent_has_it),
		cmocka_unit_test(a_command_by_the_clients_name_is_asked_once),
		cmocka_unit_test(a_move_is_in_the_log_once_it_is_asked_for),
		cmocka_unit_test(a_queued_session_stops_on_the_spot_and_says_so_again),
		cmocka_unit_test(the_first_answer_to_a_permission_request_stands),
		cmocka_unit_test(a_signed_answer_counts_once_and_is_written_down),
		cmocka_unit_test(an_answer_brings_back_who_made_room_and_waits_for_it),
		cmocka_unit_test(cancelling_fences_the_worker_and_may_be_repeated),
		cmocka_unit_test(who_may_not_see_a_session_is_told_that_there_is_none),
		cmocka_unit_test(a_prompt_fits_into_a_note_or_is_refused),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
