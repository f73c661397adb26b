/*
 * A new streamer takes the open streams of the old one while sessions run: what each client gets on
 * its one connection is, byte for byte, what a client of an undisturbed streamer gets.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/integration/streamer_world.h"

enum {
	CLIENTS_DEFAULT = 500,
	SESSIONS = 50,
	TAKEOVERS = 3,
	SLOW_EVERY = 20,  /* clients: one of so many reads slowly */
	LARGE_EVERY = 10, /* sessions: one of so many has large events */
	LARGE_BYTES = 24 * 1024,
	SLOW_MS = 20,
	SLOW_BYTES = 4096,
	BATCH_MS = 30,
	READ_BYTES = 16 * 1024,
};

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct buf views[SESSIONS]; /* as far as any client has come */
	struct fiber_group appenders, clients;
	size_t next_session;
	bool stopping;  /* appending */
	unsigned pause; /* more clients: everything goes that many times slower */
};

struct client {
	struct run *run;
	struct viewer *viewer;
	struct buf in; /* a frame that is not whole yet */
	size_t session;
	uint64_t seen; /* bytes of events */
	bool slow;
};

/* ---- what a client gets ---- */

/* All clients of a session get the same bytes: this one's next. */
static void see(struct client *client, struct str frame)
{
	struct buf *view = &client->run->views[client->session];
	size_t known = view->len - client->seen < frame.n ? view->len - client->seen : frame.n;

	if (known > 0 && memcmp(view->data + client->seen, frame.p, known) != 0) {
		fail_msg("session %zu (slow %d), byte %llu: %.*s", client->session, client->slow,
		         (unsigned long long)client->seen, (int)frame.n, frame.p);
	}
	buf_add(view, frame.p + known, frame.n - known);
	client->seen += frame.n;
}

/* Whole frames; not what depends on time: comments, the retry, ids without an event. */
static void take_frames(struct client *client)
{
	struct str rest = buf_str(&client->in);
	const char *end;

	while (rest.n > 0 && (end = memmem(rest.p, rest.n, "\n\n", 2)) != NULL) {
		size_t n = rest.p[0] == '\n' ? 1 : (size_t)(end - rest.p) + 2;
		struct str frame = str_make(rest.p, n);

		if (n > 1 && memmem(frame.p, frame.n, "\ndata:", 6) != NULL) {
			see(client, frame);
		}
		rest = str_make(rest.p + n, rest.n - n);
	}
	buf_drop(&client->in, client->in.len - rest.n);
}

static void take(struct client *client, struct str bytes)
{
	struct buf plain;

	buf_init(&plain, SIZE_MAX / 2);
	buf_add_str(&plain, bytes);
	viewer_unpack(client->viewer, &plain);
	buf_add_str(&client->in, buf_str(&plain));
	buf_fini(&plain);
	take_frames(client);
}

/* Until the server closes; a slow one does not hurry before the appending stops. */
static void read_all(struct client *client)
{
	struct viewer *viewer = client->viewer;
	const bool *hurry = &client->run->stopping;
	char bytes[READ_BYTES];
	ssize_t n;

	buf_add_str(&client->in, viewer->rest);
	take_frames(client);
	for (;;) {
		bool slow = client->slow && !*hurry;

		n = read(viewer->fd, bytes, slow ? SLOW_BYTES : sizeof(bytes));
		if (n > 0) {
			take(client, str_make(bytes, (size_t)n));
		}
		if (n > 0 && slow) {
			assert_int_equal(fiber_sleep(SLOW_MS * client->run->pause), ERR_OK);
		} else if (n == 0) {
			return;
		} else if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(fiber_wait_fd(viewer->fd, FIBER_READ, WORLD_WAIT_MS),
			                 ERR_OK);
		}
	}
}

static void follow(void *arg)
{
	struct client *client = arg;

	read_all(client);
	if (client->in.len > 0) {
		fail_msg("session %zu (slow %d) ends inside a frame, after %llu bytes: %.*s",
		         client->session, client->slow, (unsigned long long)client->seen,
		         (int)client->in.len, client->in.data);
	}
}

static void open_client(struct client *client, struct run *run, size_t session, bool slow)
{
	*client = (struct client){ .run = run, .session = session, .slow = slow };
	buf_init(&client->in, SIZE_MAX / 2);
	client->viewer = viewer_open(run->world, 0, &run->sids[session], "", "");
	assert_int_equal(client->viewer->status, 200);
}

static void close_client(struct client *client)
{
	viewer_close(client->viewer);
	buf_fini(&client->in);
}

/* ---- what happens meanwhile ---- */

static void append_large(struct world *world, const struct id *sid)
{
	struct buf data;

	buf_init(&data, UINT16_MAX);
	buf_add_cstr(&data, "{\"message\":\"");
	for (size_t i = 0; i < LARGE_BYTES; i++) {
		buf_add_char(&data, (char)('a' + i % 26));
	}
	buf_add_cstr(&data, "\"}");
	(void)world_append(world, sid, EVENT_TYPE_NOTE, buf_str(&data));
	buf_fini(&data);
}

static void append_all(void *arg)
{
	struct run *run = arg;
	size_t session = run->next_session++;
	const struct id *sid = &run->sids[session];

	for (unsigned i = 0; !run->stopping; i++) {
		if (session % LARGE_EVERY == 0) {
			append_large(run->world, sid);
		}
		(void)world_notes(run->world, sid, 1 + i % 3, 3);
		assert_int_equal(fiber_sleep(BATCH_MS * run->pause), ERR_OK);
	}
	(void)world_finish(run->world, sid);
}

static void begin(struct run *run, struct world *world, size_t clients)
{
	*run = (struct run){ .world = world,
		             .pause = (unsigned)(clients + CLIENTS_DEFAULT - 1) / CLIENTS_DEFAULT };
	for (size_t i = 0; i < SESSIONS; i++) {
		run->sids[i] = world_session(world);
		buf_init(&run->views[i], SIZE_MAX / 2);
		(void)fiber_start(world->loop, &run->appenders, "append", append_all, run);
	}
}

static void take_over(struct world *world)
{
	struct streamer *streamer = &world->streamers[0];
	pid_t before = streamer->pid;

	streamer->pid = world_start_successor(world, 0);
	assert_int_equal(world_await_end(before), 0);
}

/* ---- nobody notices ---- */

/* What a client gets that was never disturbed, and whole it is. */
static void check_view(struct run *run, size_t session)
{
	struct buf *view = &run->views[session];
	struct client late;

	open_client(&late, run, session, false);
	follow(&late);
	assert_int_equal(late.seen, view->len);
	assert_non_null(memmem(view->data, view->len, "event: end", 10));
	close_client(&late);
}

static void finish(struct run *run, struct client *clients, size_t count)
{
	run->stopping = true;
	assert_int_equal(fiber_group_wait(&run->appenders, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(fiber_group_wait(&run->clients, 3 * WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < SESSIONS; i++) {
		check_view(run, i);
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(clients[i].seen, run->views[clients[i].session].len);
		close_client(&clients[i]);
	}
	for (size_t i = 0; i < SESSIONS; i++) {
		buf_fini(&run->views[i]);
	}
}

static void unnoticed_body(struct world *world)
{
	const char *wanted = getenv("TAKEOVER_CLIENTS");
	size_t count = wanted != NULL ? strtoul(wanted, NULL, 10) : CLIENTS_DEFAULT;
	struct client *clients = mem_calloc(count, sizeof(*clients));
	struct run run;

	begin(&run, world, count);
	for (size_t i = 0; i < count; i++) {
		open_client(&clients[i], &run, i % SESSIONS, i % SLOW_EVERY == 0);
		(void)fiber_start(world->loop, &run.clients, "client", follow, &clients[i]);
	}
	for (int i = 0; i < TAKEOVERS; i++) {
		take_over(world);
		world_await_ready(world, 0);
		assert_int_equal(world_metric(world, 0, "fairlead_streams_taken_total"), count);
	}
	finish(&run, clients, count);
	free(clients);
}

static void clients_do_not_notice_that_a_streamer_is_replaced(void **state)
{
	/* Byte for byte: a slow reader gets what everybody gets. */
	static const char *const settings[] = { "FAIRLEAD_STREAM_FOLD_AFTER=1h", NULL };
	struct world world = { .body = unnoticed_body, .settings = settings, .hands_over = true };

	(void)state;
	world_find_ports(&world);
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_do_not_notice_that_a_streamer_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
