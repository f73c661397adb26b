#include "tests/integration/crew.h"

#include <stdio.h>

#include "queue/lease.h"
#include "queue/queue.h"
#include "tests/support/test.h"

#define INCARNATION "w1-a"
#define HAS         "os=linux,runtime=local,agent=command"

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s: %s", err_name(code), err->msg);
	}
}

void crew_move(struct crew *crew, const struct id *sid, enum session_state to)
{
	char data[64];
	struct log_new event = { EVENT_TYPE_STATUS, { data, 0 } };
	const struct log_batch batch = { .sid = *sid,
		                         .tenant = crew->tenant,
		                         .moves = true,
		                         .to = to,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"status\":\"%s\"}", session_state_name(to));
	event.data = str_of(data);
	must(log_append(crew->store, &batch, &result, &err), &err);
	assert_int_equal(result.outcome, LOG_OK);
}

static struct queue queue_of(const struct crew *crew)
{
	return queue_of_tenant(crew->store->redis, str_of(crew->tenant));
}

void crew_lease(struct crew *crew, const struct id *sid)
{
	const struct lease_worker worker = {
		.incarnation = INCARNATION, .worker = CREW_WORKER, .slots = 64, .has = HAS
	};
	const struct queue queue = queue_of(crew);
	const struct queue_claim claim = {
		.incarnation = INCARNATION, .has = HAS, .capacity = 64, .max = 1
	};
	struct queue_move opened = { .sid = *sid, .epoch = 2 };
	struct queue_item item;
	enum queue_set set;
	size_t count = 0;
	struct err err;

	must(lease_register(crew->store->redis, &worker, &err), &err);
	must(queue_claim(&queue, &claim, &item, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_true(id_eq(&item.sid, sid));
	opened.attempt = item.attempt;
	must(queue_opened(&queue, &opened, &set, &err), &err);
	crew_move(crew, sid, SESSION_PROVISIONING);
	crew_move(crew, sid, SESSION_RUNNING);
}

void crew_run(struct crew *crew, const struct id *sid)
{
	const struct queue queue = queue_of(crew);
	const struct queue_submit item = { .sid = *sid, .tenant = crew->tenant, .needs = "" };
	enum queue_set set;
	struct err err;

	must(queue_submit(&queue, &item, &set, &err), &err);
	crew_lease(crew, sid);
}

struct json_value *crew_mail(struct crew *crew, const char *kind, const struct id *sid)
{
	struct json_value *body = NULL;
	struct mail_page page;
	struct err err;

	must(mail_read(crew->store->redis, CREW_WORKER, crew->mail_at, &page, &err), &err);
	assert_true(page.count >= 1);
	assert_true(str_eq(page.mails[0].kind, str_of(kind)));
	assert_true(id_eq(&page.mails[0].sid, sid));
	if (page.mails[0].body.n > 0) {
		body = json_parse(page.mails[0].body, &err);
		assert_non_null(body);
	}
	(void)str_copy(crew->mail_at, sizeof(crew->mail_at), str_of(page.mails[0].id));
	mail_page_fini(&page);
	return body;
}

void crew_no_mail(struct crew *crew)
{
	struct mail_page page;
	struct err err;

	must(mail_read(crew->store->redis, CREW_WORKER, crew->mail_at, &page, &err), &err);
	assert_int_equal(page.count, 0);
	mail_page_fini(&page);
}
