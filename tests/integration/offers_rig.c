#include "offers_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "queue/offer.h"
#include "redis/redis.h"
#include "task/task_json.h"

enum { STANDS_MS = 1500 };

static void on_aloud(struct listener *listener, struct str payload)
{
	struct mail mail;

	assert_true(mail_aloud_read(payload, &mail));
	assert_true(str_eq(mail.kind, STR_LIT("run")));
	assert_true(str_eq(mail.incarnation, STR_LIT("inc-1")));
	assert_true(str_starts(mail.body, STR_LIT("{")));
	assert_true(str_copy(listener->body, sizeof(listener->body), mail.body));
	listener->sid = mail.sid;
	listener->epoch = mail.epoch;
	listener->attempt = mail.attempt;
	listener->notes++;
}

static void on_ring(void *arg, struct str channel, struct str payload)
{
	struct listener *listener = arg;
	struct queue_taken taken;

	if (!str_starts(channel, STR_LIT("{q"))) {
		on_aloud(listener, payload);
	} else if (queue_taken_read(payload, &taken)) {
		listener->taken++;
		listener->copied = taken.copy.n;
		assert_true(str_copy(listener->holder, sizeof(listener->holder), taken.holder));
	}
	fiber_signal_raise(&listener->heard);
}

static void on_listening(void *arg, struct str channel)
{
	struct listener *listener = arg;

	(void)channel;
	listener->channels++;
	fiber_signal_raise(&listener->heard);
}

static void on_resumed(void *arg)
{
	(void)arg;
}

static void subscribe(struct redis_sub *sub, struct listener *listener, const char *channel)
{
	const size_t before = listener->channels;

	redis_subscribe(sub, str_of(channel));
	while (listener->channels == before) {
		assert_int_equal(fiber_signal_wait(&listener->heard, SOON_MS), ERR_OK);
	}
}

void listen_to_holder(struct stage *stage, struct redis_sub *sub, struct listener *listener)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	char holder[QUEUE_NAME_MAX + 1], channel[QUEUE_KEY_SIZE];

	read_offer(stage, "holder", holder);
	queue_taken_channel(&queue, holder, channel);
	subscribe(sub, listener, channel);
}

struct redis_sub *listen_to(struct stage *stage, const char *worker, struct listener *listener)
{
	static const struct redis_sub_events events = { .message = on_ring,
		                                        .subscribed = on_listening,
		                                        .resumed = on_resumed };
	const struct redis_options options = { stage->server.url, 5000, 200 };
	char channel[QUEUE_KEY_SIZE];
	struct redis_sub *sub;
	struct err err;

	fiber_signal_init(&listener->heard);
	sub = redis_sub_new(stage->world->loop, &options, &events, listener, &err);
	assert_non_null(sub);
	if (worker != NULL) {
		mail_aloud_channel(worker, channel);
		subscribe(sub, listener, channel);
	}
	return sub;
}

void await_heard(struct listener *listener, size_t taken, size_t notes)
{
	while (listener->taken < taken || listener->notes < notes) {
		if (fiber_signal_wait(&listener->heard, SOON_MS) != ERR_OK) {
			fail_msg("%zu of %zu were taken, %zu of %zu told", listener->taken, taken,
			         listener->notes, notes);
		}
	}
	assert_int_equal(listener->taken, taken);
	assert_int_equal(listener->notes, notes);
}

static struct redis_reply *ask_offer(struct stage *stage, const char *command, const char *field,
                                     const char *value)
{
	struct redis_cmd *cmd CLEANUP(redis_cmd_cleanup) = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, command);
	redis_arg_cstr(cmd, "{q0/1}:offer");
	redis_arg_cstr(cmd, field);
	if (value != NULL) {
		redis_arg_cstr(cmd, value);
	}
	if (redis_call(stage->redis, cmd, &reply, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return reply;
}

bool is_offered(struct stage *stage, void *arg)
{
	const struct offered *offered = arg;
	struct redis_reply *reply = ask_offer(stage, "HGET", offered->field, NULL);
	const struct str text = redis_reply_str(reply);
	const bool is = offered->begins[0] == '\0' ? text.n == 0
	                                           : str_starts(text, str_of(offered->begins));
	const bool there = text.n > 0;

	redis_reply_free(reply);
	return offered->other ? there && !is : is;
}

void read_offer(struct stage *stage, const char *field, char out[QUEUE_NAME_MAX + 1])
{
	struct redis_reply *reply = ask_offer(stage, "HGET", field, NULL);

	assert_true(str_copy(out, QUEUE_NAME_MAX + 1, redis_reply_str(reply)));
	redis_reply_free(reply);
}

void await_offer(struct stage *stage, const char *field, const char *begins)
{
	struct offered offered = { field, begins, false };

	(void)stage_await(stage, is_offered, &offered, "an offer");
}

struct draft draft_of(struct stage *stage, const char *body)
{
	struct json_problems problems;
	struct task_spec *spec = arena_take(test_arena(), sizeof(*spec));
	const struct task_acceptance acceptance = { .tenant = TENANT,
		                                    .created_by = "key-1",
		                                    .owner = "ann",
		                                    .spec = spec,
		                                    .generation = stage->store.generation };
	struct pg_tx *tx = begin(stage->world);
	struct draft draft;
	struct err err;

	assert_int_equal(task_decode(str_of(body), spec, test_arena(), &problems), ERR_OK);
	assert_int_equal(task_accept(tx, &acceptance, test_arena(), &draft.accepted, &err), ERR_OK);
	commit(tx);
	steer_accepted(&acceptance, &draft.accepted.task, test_arena(), &draft.row);
	draft.row.id = draft.accepted.sessions[0];
	draft.row.agent = task_agent_json(spec->agents.items, test_arena());
	steer_publication_of(&draft.row, test_arena(), &draft.publication);
	return draft;
}

void publish(struct stage *stage, const struct draft *draft)
{
	char till[32];
	struct err err;

	(void)snprintf(till, sizeof(till), "%lld", (long long)clock_wall_us() / 1000 + STANDS_MS);
	redis_reply_free(ask_offer(stage, "HSET", "till", till));
	if (steer_publish(&stage->store, stage->world->pg, &draft->publication, true, &err) !=
	    ERR_OK) {
		fail_msg("%s", err.msg);
	}
}
