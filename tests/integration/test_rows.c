/* Tasks, sessions and commands as rows of a real server. */
#include <string.h>

#include "command/command_store.h"
#include "cost/budget_store.h"
#include "cost/cost_store.h"
#include "rows_gather.h"
#include "session/session_json.h"
#include "task_world.h"
#include "tenant/tenant_store.h"

static struct session get(struct world *world, const struct id *id)
{
	struct session session;
	struct err err;

	if (session_get(world->pg, TENANT, id, test_arena(), &session, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return session;
}

/* ---- accepting ---- */

static void accept_body(struct world *world)
{
	struct task_accepted accepted;
	struct session first, last;
	struct pg_tx *tx;
	struct err err;

	clear_rows(world);
	assert_int_equal(tenant_project_ensure(world->pg, TENANT, "p1", "one", &err), ERR_OK);
	tx = begin(world);
	assert_int_equal(try_accept(tx, BODY(AGENT(3), ""), &accepted), ERR_OK);
	pg_rollback(tx);
	assert_int_equal(count_rows(world), 0);

	tx = begin(world);
	assert_int_equal(try_accept(tx, BODY(AGENT(1), ",\"projectId\":\"nope\""), &accepted),
	                 ERR_NOT_FOUND);
	pg_rollback(tx);
	assert_int_equal(count_rows(world), 0);

	accepted = accept_task(world, BODY(AGENT(2) ",{\"type\":\"command\",\"version\":\"7\","
	                                            "\"settings\":{\"argv\":[\"b\"]}}",
	                                   ",\"projectId\":\"p1\",\"labels\":{\"a\":\"1\"},"
	                                   "\"namespace\":\"ci\",\"priority\":8,"
	                                   "\"maxAttempts\":2"));
	assert_int_equal(accepted.count, 3);
	assert_int_equal(count_rows(world), 4);
	first = get(world, &accepted.sessions[0]);
	last = get(world, &accepted.sessions[2]);
	assert_true(id_eq(&first.task, &accepted.task));
	assert_int_equal(first.state, SESSION_QUEUED);
	assert_int_equal(first.priority, 8);
	assert_int_equal(first.max_attempts, 2);
	assert_true(str_eq(first.project, STR_LIT("p1")));
	assert_true(str_eq(first.namespace, STR_LIT("ci")));
	assert_true(str_eq(first.created_by, STR_LIT("key-1")));
	assert_true(first.created_us > 0 && first.started_us == 0);
	assert_non_null(strstr(first.agent.p, "\"count\": 1"));
	assert_non_null(strstr(last.agent.p, "\"7\""));
	assert_int_equal(first.delivery.n, 0);
}

static void a_task_and_its_sessions_are_accepted_all_or_none(void **state)
{
	(void)state;
	world_run(accept_body);
}

static void order_body(struct world *world)
{
	struct task_accepted accepted;
	struct session session;
	const struct session_orders more = { .approvals = STR_LIT("{\"rules\":[]}"),
		                             .secrets = STR_LIT("c2VhbGVk"),
		                             .spent = 7 };
	struct task_run run;
	struct buf out;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	session = get(world, &accepted.sessions[0]);
	buf_init(&out, TASK_RUN_MAX);
	session_write_run(&session, &more, &out);
	if (task_run_decode(buf_str(&out), &run, test_arena(), &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(run.spec.agents.count, 1);
	assert_true(str_eq(run.session, str_of(session.id.s)));
	assert_true(str_eq(run.secrets, STR_LIT("c2VhbGVk")));
	assert_int_equal(run.spent, 7);
	buf_fini(&out);
}

static void a_stored_session_becomes_a_workers_order(void **state)
{
	(void)state;
	world_run(order_body);
}

static void shown_body(struct world *world)
{
	struct session_live_view live = { .recent_events = STR_LIT("[]") };
	struct task_accepted accepted;
	struct json_value *value;
	struct session session;
	struct jsonw w;
	struct buf out;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ",\"labels\":{\"team\":\"x\"}"));
	session = get(world, &accepted.sessions[0]);
	buf_init(&out, 65536);
	jsonw_init(&w, &out);
	session_write(&w, NULL, &session, &live, test_arena());
	value = json_parse(buf_str(&out), &err);
	assert_non_null(value);
	assert_true(str_eq(json_as_str(json_get(value, "id")), str_of(session.id.s)));
	assert_true(str_eq(json_as_str(json_get(value, "status")), STR_LIT("queued")));
	assert_true(str_eq(json_as_str(json_get(value, "prompt")), STR_LIT("go on")));
	assert_true(str_eq(json_as_str(json_get(json_get(value, "labels"), "team")), STR_LIT("x")));
	assert_true(
		str_eq(json_as_str(json_get(json_get(value, "repo"), "mode")), STR_LIT("none")));
	assert_true(str_starts(json_as_str(json_get(json_get(value, "links"), "events")),
	                       STR_LIT("/api/v1/sessions/")));
	assert_int_equal(json_type_of(json_get(value, "recent_events")), JSON_T_ARRAY);
	assert_null(json_get(value, "completedAt"));
	json_value_free(value);
	buf_fini(&out);
}

static void a_session_is_shown_as_json(void **state)
{
	(void)state;
	world_run(shown_body);
}

/* ---- lists ---- */

enum { LISTED = 25, PAGE = 7 };

static struct session_page page_of(struct world *world, const struct session_filter *filter)
{
	struct session_page page;
	struct err err;

	if (session_list(world->pg, filter, test_arena(), &page, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return page;
}

static void paging_body(struct world *world)
{
	struct session_filter filter = { .tenant = TENANT, .max = PAGE, .counted = true };
	char text[SESSION_POSITION_SIZE];
	struct session_page page;
	const struct session *before = NULL;
	size_t seen = 0, arrived = 0;

	clear_rows(world);
	(void)accept_task(world, BODY(AGENT(20), ""));
	(void)accept_task(world, BODY(AGENT(5), ""));
	do {
		page = page_of(world, &filter);
		for (size_t i = 0; i < page.count; i++) {
			const struct session *item = &page.items[i];

			assert_true(before == NULL || item->created_us < before->created_us ||
			            (item->created_us == before->created_us &&
			             strcmp(item->id.s, before->id.s) < 0));
			before = item;
			seen++;
		}
		assert_int_equal(page.total, LISTED + arrived);
		session_position_format(&page.last, text);
		assert_true(session_position_parse(str_of(text), &filter.after));
		/* What arrives meanwhile is newer: it moves no later page. */
		(void)accept_task(world, BODY(AGENT(1), ""));
		arrived++;
	} while (page.more);
	assert_int_equal(seen, LISTED);
}

static void pages_neither_repeat_nor_skip_while_sessions_arrive(void **state)
{
	(void)state;
	world_run(paging_body);
}

static uint64_t total(struct world *world, struct session_filter filter)
{
	struct session_page page;

	filter.max = 2;
	filter.counted = true;
	page = page_of(world, &filter);
	assert_int_equal(page.count, page.total < 2 ? page.total : 2);
	return page.total;
}

static void filter_body(struct world *world)
{
	struct session_filter all = { .tenant = TENANT }, f;
	struct err err;

	clear_rows(world);
	assert_int_equal(tenant_project_ensure(world->pg, TENANT, "p1", "one", &err), ERR_OK);
	(void)accept_task(world, BODY(AGENT(3), ",\"namespace\":\"a\",\"projectId\":\"p1\""));
	(void)accept_task(world, BODY(AGENT(2), ",\"namespace\":\"b\",\"labels\":{\"k\":\"v\"}"));
	(void)accept_task(world, BODY(AGENT(1), ",\"labels\":{\"k\":\"w\"}"));
	assert_int_equal(total(world, all), 6);
	f = all;
	f.project = "p1";
	assert_int_equal(total(world, f), 3);
	f = all;
	f.namespaces = "b,c";
	assert_int_equal(total(world, f), 2);
	f.namespaces = "a,b";
	assert_int_equal(total(world, f), 5);
	f = all;
	f.label_name = "k";
	f.label_value = "w";
	assert_int_equal(total(world, f), 1);
	f = all;
	f.agent = "command";
	f.states = session_bit(SESSION_QUEUED) | session_bit(SESSION_RUNNING);
	assert_int_equal(total(world, f), 6);
	f.states = session_bit(SESSION_RUNNING);
	assert_int_equal(total(world, f), 0);
	f = all;
	f.skip = 5;
	f.max = 3;
	assert_int_equal(page_of(world, &f).count, 1);
}

static void filters_apply_to_the_page_and_to_the_total(void **state)
{
	(void)state;
	world_run(filter_body);
}

static void positions_are_parsed_strictly(void **state)
{
	struct session_position position;

	(void)state;
	assert_true(session_position_parse(STR_LIT("1-01ARZ3NDEKTSV4RRFFQ69G5FAV"), &position));
	assert_int_equal(position.created_us, 1);
	assert_false(session_position_parse(STR_LIT("1-01ARZ3NDEKTSV4RRFFQ69G5FA"), &position));
	assert_false(session_position_parse(STR_LIT("-01ARZ3NDEKTSV4RRFFQ69G5FAV"), &position));
	assert_false(session_position_parse(STR_LIT("x-01ARZ3NDEKTSV4RRFFQ69G5FAV"), &position));
	assert_false(session_position_parse(
		STR_LIT("9223372036854775807-01ARZ3NDEKTSV4RRFFQ69G5FAV"), &position));
	assert_false(session_position_parse(STR_LIT(""), &position));
}

/* ---- tenants ---- */

static void tenancy_body(struct world *world)
{
	struct session_move move = { .state = SESSION_FAILED, .epoch = 9, .n = 9, .at_us = 1 };
	struct command_new command = {
		.tenant = OTHER, .kind = "prompt", .payload = STR_LIT("{}"), .created_by = "k"
	};
	struct task_accepted accepted;
	struct session session;
	struct pg_tx *tx;
	uint64_t seq;
	struct id id;
	struct session_moved moved;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	assert_int_equal(
		session_get(world->pg, OTHER, &accepted.sessions[0], test_arena(), &session, &err),
		ERR_NOT_FOUND);
	assert_int_equal(total(world, (struct session_filter){ .tenant = OTHER }), 0);
	move.id = accepted.sessions[0];
	assert_int_equal(session_move(world->pg, OTHER, &move, &moved, &err), ERR_OK);
	assert_false(moved.moved);
	assert_int_equal(session_mark_queued(world->pg, OTHER, &move.id, 1, &err), ERR_OK);
	assert_int_equal(get(world, &move.id).queued_us, 0);
	command.session = move.id;
	assert_int_equal(pg_begin(world->pg, OTHER, &tx, &err), ERR_OK);
	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_NOT_FOUND);
	pg_rollback(tx);
}

static void another_tenant_sees_and_moves_nothing(void **state)
{
	(void)state;
	world_run(tenancy_body);
}

/* In a transaction to which row level security shows everything. */
static void wall_body(struct world *world)
{
	struct command_new command = { .id = id_new(),
		                       .tenant = TENANT,
		                       .kind = "approval",
		                       .payload = STR_LIT("{\"request_id\":\"r1\"}"),
		                       .created_by = "k" };
	struct command_end end = { .state = COMMAND_DONE };
	struct task_accepted accepted;
	struct task_after after;
	struct pg_tx *tx;
	bool changed = true;
	uint64_t seq;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	command.session = accepted.sessions[0];
	assert_int_equal(pg_begin(world->pg, "", &tx, &err), ERR_OK);
	assert_int_equal(command_add(tx, &command, &end.id, &seq, &err), ERR_OK);
	command.tenant = OTHER;
	assert_int_equal(command_again(tx, &command, &changed, &seq, &err), ERR_NOT_FOUND);
	assert_int_equal(
		command_answered(tx, OTHER, &command.session, STR_LIT("r1"), &changed, &err),
		ERR_NOT_FOUND);
	assert_int_equal(command_finish_in(tx, OTHER, &end, &changed, &err), ERR_OK);
	assert_false(changed);
	assert_int_equal(task_after_get(NULL, tx,
	                                &(struct task_after_ask){ .tenant = OTHER,
	                                                          .id = str_of(accepted.task.s) },
	                                &after, &err),
	                 ERR_OK);
	assert_int_equal(after.sessions, 0);
	assert_int_equal(command_finish_in(tx, TENANT, &end, &changed, &err), ERR_OK);
	assert_true(changed);
	pg_rollback(tx);
}

static void statements_name_their_tenant_themselves(void **state)
{
	(void)state;
	world_run(wall_body);
}

/* ---- following the log ---- */

static bool move_to(struct world *world, const struct id *id, enum session_state state,
                    uint64_t epoch, uint64_t n)
{
	struct session_move move = {
		.id = *id,
		.state = state,
		.epoch = epoch,
		.n = n,
		.at_us = (int64_t)(n * 1000000),
	};
	struct session_moved moved;
	struct err err;

	if (state == SESSION_FAILED) {
		move.has_exit_code = true;
		move.exit_code = 3;
		move.reason = "exit 3";
	}
	assert_int_equal(session_move(world->pg, TENANT, &move, &moved, &err), ERR_OK);
	return moved.moved;
}

static void move_body(struct world *world)
{
	struct task_accepted accepted;
	struct session session;
	const struct id *id;
	struct err err;
	bool deleted;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	id = &accepted.sessions[0];
	assert_true(move_to(world, id, SESSION_PROVISIONING, 2, 3));
	assert_true(move_to(world, id, SESSION_RUNNING, 2, 4));
	assert_false(move_to(world, id, SESSION_RUNNING, 2, 4));
	assert_false(move_to(world, id, SESSION_PROVISIONING, 2, 3));
	assert_false(move_to(world, id, SESSION_COMPLETED, 1, 99));
	assert_true(move_to(world, id, SESSION_QUEUED, 3, 5));
	assert_true(move_to(world, id, SESSION_RUNNING, 4, 6));
	assert_int_equal(session_delete(world->pg, TENANT, id, &deleted, &err), ERR_OK);
	assert_false(deleted);
	assert_true(move_to(world, id, SESSION_FAILED, 4, 7));
	session = get(world, id);
	assert_int_equal(session.state, SESSION_FAILED);
	assert_int_equal(session.started_us, 4000000);
	assert_int_equal(session.ended_us, 7000000);
	assert_true(session.has_exit_code && session.exit_code == 3);
	assert_true(str_eq(session.reason, STR_LIT("exit 3")));
	assert_int_equal(session.epoch, 4);
	assert_int_equal(session_delete(world->pg, TENANT, id, &deleted, &err), ERR_OK);
	assert_true(deleted);
	assert_int_equal(session_get(world->pg, TENANT, id, test_arena(), &session, &err),
	                 ERR_NOT_FOUND);
}

static void a_late_move_changes_nothing(void **state)
{
	(void)state;
	world_run(move_body);
}

static void reconcile_body(struct world *world)
{
	struct session_walk all = { .max = 10 }, some = { .max = 2 };
	struct session_walk old = { .max = 10, .older_ms = 60000 };
	struct task_accepted accepted;
	struct session_batch batch;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(4), ""));
	assert_int_equal(session_unqueued(world->pg, &old, test_arena(), &batch, &err), ERR_OK);
	assert_int_equal(batch.count, 0);
	assert_int_equal(session_unqueued(world->pg, &all, test_arena(), &batch, &err), ERR_OK);
	assert_int_equal(batch.count, 4);
	assert_int_equal(session_mark_queued(world->pg, TENANT, accepted.sessions, 3, &err),
	                 ERR_OK);
	assert_int_equal(session_unqueued(world->pg, &all, test_arena(), &batch, &err), ERR_OK);
	assert_int_equal(batch.count, 1);
	assert_true(id_eq(&batch.items[0].id, &accepted.sessions[3]));
	assert_true(get(world, &accepted.sessions[0]).queued_us > 0);
	assert_true(move_to(world, &accepted.sessions[0], SESSION_CANCELLED, 1, 2));
	assert_int_equal(session_live(world->pg, &some, test_arena(), &batch, &err), ERR_OK);
	assert_int_equal(batch.count, 2);
	assert_true(id_eq(&batch.items[0].id, &accepted.sessions[1]));
	some.after = batch.items[1].id;
	assert_int_equal(session_live(world->pg, &some, test_arena(), &batch, &err), ERR_OK);
	assert_int_equal(batch.count, 1);
}

static void reconcilers_walk_what_is_left_to_do(void **state)
{
	(void)state;
	world_run(reconcile_body);
}

static void epoch_body(struct world *world)
{
	struct session_epoch epoch = { .tenant = TENANT, .cause = "create", .generation = 1 };
	struct task_accepted accepted;
	struct session_epoch last = { .epoch = 99 };
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	epoch.session = accepted.sessions[0];
	assert_int_equal(session_epoch_last(world->pg, TENANT, &epoch.session, &last, &err),
	                 ERR_OK);
	assert_int_equal(last.epoch, 0);
	for (epoch.epoch = 1; epoch.epoch <= 3; epoch.epoch++) {
		epoch.first_n = epoch.epoch * 10;
		assert_int_equal(session_epoch_add(world->pg, &epoch, &err), ERR_OK);
		assert_int_equal(session_epoch_add(world->pg, &epoch, &err), ERR_OK);
	}
	assert_int_equal(session_epoch_last(world->pg, TENANT, &epoch.session, &last, &err),
	                 ERR_OK);
	assert_int_equal(last.epoch, 3);
	assert_int_equal(last.generation, 1);
}

static void epochs_are_remembered_once(void **state)
{
	(void)state;
	world_run(epoch_body);
}

/* ---- commands ---- */

static struct id add_command(struct world *world, const struct id *session, uint64_t wanted_seq)
{
	const struct command_new command = { .tenant = TENANT,
		                             .session = *session,
		                             .kind = "prompt",
		                             .payload = STR_LIT("{\"a\":1}"),
		                             .created_by = "key-1" };
	struct pg_tx *tx = begin(world);
	uint64_t seq = 0;
	struct err err;
	struct id id;

	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_OK);
	assert_int_equal(seq, wanted_seq);
	commit(tx);
	return id;
}

static void command_body(struct world *world)
{
	struct command_query query = { .tenant = TENANT, .max = 10 };
	struct command_end end = { .state = COMMAND_DONE, .result = STR_LIT("{\"ok\":true}") };
	struct task_accepted accepted;
	struct command_list list;
	struct id first, second;
	struct err err;
	bool changed;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	query.session = accepted.sessions[0];
	first = add_command(world, &query.session, 1);
	second = add_command(world, &query.session, 2);
	assert_int_equal(command_open(world->pg, &query, test_arena(), &list, &err), ERR_OK);
	assert_int_equal(list.count, 2);
	assert_true(id_eq(&list.items[0].id, &first) && id_eq(&list.items[1].id, &second));
	assert_true(str_eq(list.items[0].kind, STR_LIT("prompt")));
	assert_true(str_eq(list.items[0].payload, STR_LIT("{\"a\": 1}")));
	assert_int_equal(command_start(world->pg, TENANT, &first, 2, &changed, &err), ERR_OK);
	assert_true(changed);
	assert_int_equal(command_start(world->pg, TENANT, &first, 2, &changed, &err), ERR_OK);
	assert_true(changed);
	assert_int_equal(command_start(world->pg, TENANT, &first, 3, &changed, &err), ERR_OK);
	assert_false(changed);
	end.id = first;
	assert_int_equal(command_finish(world->pg, TENANT, &end, &changed, &err), ERR_OK);
	assert_true(changed);
	assert_int_equal(command_finish(world->pg, TENANT, &end, &changed, &err), ERR_OK);
	assert_false(changed);
	assert_int_equal(command_open(world->pg, &query, test_arena(), &list, &err), ERR_OK);
	assert_int_equal(list.count, 1);
	query.after_seq = 2;
	assert_int_equal(command_open(world->pg, &query, test_arena(), &list, &err), ERR_OK);
	assert_int_equal(list.count, 0);
}

static void commands_are_ordered_started_and_finished_once(void **state)
{
	(void)state;
	world_run(command_body);
}

/* What the store says to a command with an id of the client's; 0 when it is new. */
static enum err_code ask_again(struct world *world, const struct command_new *command,
                               uint64_t *ret_seq)
{
	struct pg_tx *tx = begin(world);
	bool again = false;
	struct err err;
	enum err_code code = command_again(tx, command, &again, ret_seq, &err);

	pg_rollback(tx);
	return code;
}

static void again_body(struct world *world)
{
	struct command_new command = { .id = id_new(),
		                       .tenant = TENANT,
		                       .kind = "prompt",
		                       .payload = STR_LIT("{\"a\":1,\"b\":2}"),
		                       .created_by = "key-1" };
	struct task_accepted accepted;
	struct pg_tx *tx;
	uint64_t seq;
	struct err err;
	struct id id;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(2), ""));
	command.session = accepted.sessions[0];
	assert_int_equal(ask_again(world, &command, &seq), ERR_OK);
	assert_int_equal(seq, 0);
	tx = begin(world);
	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_OK);
	assert_true(id_eq(&id, &command.id));
	commit(tx);
	command.payload = STR_LIT("{ \"b\": 2, \"a\": 1 }");
	assert_int_equal(ask_again(world, &command, &seq), ERR_OK);
	assert_int_equal(seq, 1);
	command.payload = STR_LIT("{\"a\":1}");
	assert_int_equal(ask_again(world, &command, &seq), ERR_KEY_REUSED);
	command.session = accepted.sessions[1];
	assert_int_equal(ask_again(world, &command, &seq), ERR_KEY_REUSED);
	tx = begin(world);
	assert_int_equal(command_add(tx, &command, &id, &seq, &err), ERR_KEY_REUSED);
	pg_rollback(tx);
}

static void a_command_with_the_clients_id_is_known_again(void **state)
{
	(void)state;
	world_run(again_body);
}

static bool is_answered(struct world *world, const struct id *session, struct str request)
{
	struct pg_tx *tx = begin(world);
	bool answered = false;
	struct err err;

	assert_int_equal(command_answered(tx, TENANT, session, request, &answered, &err), ERR_OK);
	pg_rollback(tx);
	return answered;
}

static void answered_body(struct world *world)
{
	struct command_new command = { .tenant = TENANT,
		                       .kind = "approval",
		                       .payload = STR_LIT("{\"request_id\":\"r1\"}"),
		                       .created_by = "key-1" };
	struct command_end end = { .state = COMMAND_FAILED };
	struct task_accepted accepted;
	struct pg_tx *tx;
	uint64_t seq;
	bool changed;
	struct err err;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	command.session = accepted.sessions[0];
	assert_false(is_answered(world, &command.session, STR_LIT("r1")));
	tx = begin(world);
	assert_int_equal(command_add(tx, &command, &end.id, &seq, &err), ERR_OK);
	commit(tx);
	assert_true(is_answered(world, &command.session, STR_LIT("r1")));
	assert_false(is_answered(world, &command.session, STR_LIT("r2")));
	assert_int_equal(command_finish(world->pg, TENANT, &end, &changed, &err), ERR_OK);
	assert_false(is_answered(world, &command.session, STR_LIT("r1")));
}

static void an_answer_stands_until_it_fails(void **state)
{
	(void)state;
	world_run(answered_body);
}

struct adder {
	struct world *world;
	struct id session;
	uint64_t seq;
};

static void add_one(void *arg)
{
	struct adder *adder = arg;
	const struct command_new command = { .tenant = TENANT,
		                             .session = adder->session,
		                             .kind = "prompt",
		                             .payload = STR_LIT("{}"),
		                             .created_by = "key-1" };
	struct pg_tx *tx = begin(adder->world);
	struct id id;
	struct err err;

	if (command_add(tx, &command, &id, &adder->seq, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	commit(tx);
}

static void race_body(struct world *world)
{
	struct adder adders[8];
	struct task_accepted accepted;
	uint64_t seen = 0;

	clear_rows(world);
	accepted = accept_task(world, BODY(AGENT(1), ""));
	for (size_t i = 0; i < ARRAY_LEN(adders); i++) {
		adders[i] = (struct adder){ world, accepted.sessions[0], 0 };
		(void)fiber_start(world->loop, &world->group, "adder", add_one, &adders[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(adders); i++) {
		seen |= UINT64_C(1) << adders[i].seq;
	}
	assert_int_equal(seen, 0x1fe);
}

static void commands_that_race_get_one_number_each(void **state)
{
	(void)state;
	world_run(race_body);
}

/* ---- what was used ---- */

static bool use(struct world *world, struct cost_use *event, uint64_t n)
{
	bool counted = false;
	struct err err;

	event->n = n;
	assert_int_equal(cost_use_add(world->pg, event, &counted, &err), ERR_OK);
	return counted;
}

static struct cost_sums add_up(struct world *world, struct cost_ask ask)
{
	struct cost_sums sums = { .count = 0 };
	struct err err;

	ask.max = 10;
	if (cost_sum(world->pg, &ask, test_arena(), &sums, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return sums;
}

static void ledger_body(struct world *world)
{
	struct cost_use event = { .tenant = TENANT,
		                  .epoch = 2,
		                  .at_us = INT64_C(1769904000000000), /* 2026-02-01 */
		                  .model = STR_LIT("m"),
		                  .source = COST_TABLE,
		                  .tokens = { 10, 20, 30, 40, 5 } };
	struct cost_use money = event;
	struct cost_sums sums;

	clear_rows(world);
	event.session = accept_task(world, BODY(AGENT(1), "")).sessions[0];
	money.session = event.session;
	money.tokens = (struct cost_tokens){ 0 };
	money.has_nano = true;
	money.nano = 250;
	assert_true(use(world, &event, 7));
	assert_true(use(world, &money, 8));
	/* Followed again, by a scheduler that died before it could say so, or by two at once. */
	assert_false(use(world, &event, 7));
	assert_false(use(world, &money, 8));
	assert_true(use(world, &event, 9));
	/* What a Redis had lost, and was appended again in another epoch, is another event. */
	event.epoch = 3;
	assert_true(use(world, &event, 8));
	event.source = COST_UNKNOWN;
	assert_true(use(world, &event, 9));

	sums = add_up(world, (struct cost_ask){ .tenant = TENANT, .by = COST_BY_MODEL });
	assert_int_equal(sums.count, 1);
	assert_true(str_eq(sums.items[0].key, STR_LIT("m")));
	assert_int_equal(sums.items[0].tokens.input, 40);
	assert_int_equal(sums.items[0].tokens.reasoning, 20);
	assert_true(sums.items[0].known);
	assert_int_equal(sums.items[0].nano, 250);
	assert_int_equal(sums.items[0].unpriced, 100);
	assert_int_equal(sums.items[0].sessions, 1);
	sums = add_up(world, (struct cost_ask){ .tenant = TENANT,
	                                        .by = COST_BY_USER,
	                                        .from = "2026-02-01",
	                                        .to = "2026-02-02" });
	assert_int_equal(sums.count, 1);
	sums = add_up(world,
	              (struct cost_ask){ .tenant = TENANT, .by = COST_BY_DAY, .to = "2026-02-01" });
	assert_int_equal(sums.count, 0);
	sums = add_up(world, (struct cost_ask){ .tenant = OTHER, .by = COST_BY_MODEL });
	assert_int_equal(sums.count, 0);
	event.tenant = OTHER;
	assert_false(use(world, &event, 10));
}

static void an_event_of_usage_counts_once(void **state)
{
	(void)state;
	world_run(ledger_body);
}

/* ---- budgets ---- */

static struct budget seen_budget(struct world *world, enum budget_period period, int64_t now_us)
{
	struct budget items[8];
	size_t count = 0;
	struct err err;

	assert_int_equal(budget_list(world->pg, TENANT, NULL, now_us, items, 8, &count, &err),
	                 ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (items[i].period == period) {
			return items[i];
		}
	}
	fail_msg("there is no such budget");
	return items[0];
}

static void budget_body(struct world *world)
{
	const int64_t day_us = INT64_C(86400000000), now_us = INT64_C(1930046400000000);
	struct cost_use event = { .tenant = TENANT,
		                  .epoch = 2,
		                  .model = STR_LIT("m"),
		                  .source = COST_TABLE,
		                  .tokens = { 1, 2, 3, 4, 5 },
		                  .has_nano = true,
		                  .nano = 100 };
	struct budget budget = { .tenant = TENANT,
		                 .limits = { BUDGET_NONE, 250, BUDGET_NONE, BUDGET_NONE } };
	struct budget items[4], after;
	int64_t before;
	bool is_new = false;
	size_t count = 0;
	struct err err;

	clear_rows(world);
	event.session = accept_task(world, BODY(AGENT(1), "")).sessions[0];
	for (unsigned i = 0; i < BUDGET_PERIOD_COUNT; i++) {
		budget.period = (enum budget_period)i;
		assert_int_equal(budget_set(world->pg, &budget, &is_new, &err), ERR_OK);
		assert_true(is_new);
	}
	budget.limits.soft_nano = 7;
	assert_int_equal(budget_set(world->pg, &budget, &is_new, &err), ERR_OK);
	assert_false(is_new);
	before = seen_budget(world, BUDGET_TOTAL, now_us).nano;
	event.at_us = now_us; /* 2031-02-28: the month's last day */
	assert_true(use(world, &event, 1));
	assert_false(use(world, &event, 1));
	event.at_us = now_us - day_us;
	assert_true(use(world, &event, 2));
	event.at_us = now_us - 40 * day_us;
	assert_true(use(world, &event, 3));

	assert_int_equal(seen_budget(world, BUDGET_DAY, now_us).nano, 100);
	assert_int_equal(seen_budget(world, BUDGET_DAY, now_us).tokens, 10);
	assert_int_equal(seen_budget(world, BUDGET_MONTH, now_us).nano, 200);
	assert_int_equal(seen_budget(world, BUDGET_TOTAL, now_us).nano, before + 300);
	assert_int_equal(seen_budget(world, BUDGET_TOTAL, now_us).limits.soft_nano, 7);
	assert_int_equal(seen_budget(world, BUDGET_MONTH, now_us + day_us).nano, 0);
	/* Pages, of all tenants. */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(budget_list(world->pg, NULL, i > 0 ? &after : NULL, now_us, items,
		                             2, &count, &err),
		                 ERR_OK);
		assert_int_equal(count, 2 - i);
		after = items[count - 1];
	}
	assert_int_equal(items[0].period, BUDGET_TOTAL);
	for (unsigned i = 0; i < BUDGET_PERIOD_COUNT; i++) {
		budget.period = (enum budget_period)i;
		assert_int_equal(budget_delete(world->pg, &budget, &err), ERR_OK);
		assert_int_equal(budget_delete(world->pg, &budget, &err), ERR_NOT_FOUND);
	}
}

static void what_is_used_counts_for_the_budgets_of_its_day_and_month(void **state)
{
	(void)state;
	world_run(budget_body);
}

static void price_body(struct world *world)
{
	struct cost_price price = { .model = "test-model", .input = 5 }, found;
	struct cost_prices prices;
	struct err err;

	assert_int_equal(cost_price_set(world->pg, &price, &err), ERR_OK);
	price.input = 6;
	assert_int_equal(cost_price_set(world->pg, &price, &err), ERR_OK);
	assert_int_equal(cost_prices_list(world->pg, test_arena(), &prices, &err), ERR_OK);
	assert_true(cost_price_find(&prices, STR_LIT("test-model"), &found));
	assert_int_equal(found.input, 6);
	assert_int_equal(cost_price_delete(world->pg, STR_LIT("test-model"), &err), ERR_OK);
	assert_int_equal(cost_price_delete(world->pg, STR_LIT("test-model"), &err), ERR_NOT_FOUND);
	(void)str_copy(price.model, sizeof(price.model), STR_LIT("no name"));
	assert_int_equal(cost_price_set(world->pg, &price, &err), ERR_INVALID);
}

static void prices_are_set_and_forgotten(void **state)
{
	(void)state;
	world_run(price_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_and_its_sessions_are_accepted_all_or_none),
		cmocka_unit_test(a_stored_session_becomes_a_workers_order),
		cmocka_unit_test(a_session_is_shown_as_json),
		cmocka_unit_test(pages_neither_repeat_nor_skip_while_sessions_arrive),
		cmocka_unit_test(filters_apply_to_the_page_and_to_the_total),
		cmocka_unit_test(positions_are_parsed_strictly),
		cmocka_unit_test(another_tenant_sees_and_moves_nothing),
		cmocka_unit_test(statements_name_their_tenant_themselves),
		cmocka_unit_test(a_late_move_changes_nothing),
		cmocka_unit_test(reconcilers_walk_what_is_left_to_do),
		cmocka_unit_test(epochs_are_remembered_once),
		cmocka_unit_test(commands_are_ordered_started_and_finished_once),
		cmocka_unit_test(a_command_with_the_clients_id_is_known_again),
		cmocka_unit_test(an_answer_stands_until_it_fails),
		cmocka_unit_test(commands_that_race_get_one_number_each),
		cmocka_unit_test(an_event_of_usage_counts_once),
		cmocka_unit_test(what_is_used_counts_for_the_budgets_of_its_day_and_month),
		cmocka_unit_test(prices_are_set_and_forgotten),
		cmocka_unit_test(who_asks_at_the_same_time_is_answered_by_few_queries),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
