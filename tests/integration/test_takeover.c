/*
 * A new streamer takes the open streams of the old one while sessions run: what each client gets on
 * its one connection is, byte for byte, what a client of an undisturbed streamer gets.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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
	SLOW_RCVBUF = 32 * 1024,
	BATCH_MS = 30,
	READ_BYTES = 16 * 1024,
};

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct buf whole[SESSIONS]; /* what a late client gets */
	struct fiber_group appenders, clients;
	size_t next_session;
	bool stopping; /* appending */
};

struct client {
	struct run *run;
	struct viewer *viewer;
	struct buf in;
	size_t session;
	bool slow;
};

/* ---- what a client gets ---- */

/* All but what depends on time: comments, the retry, ids without an event. */
static void keep_events(struct buf *in)
{
	struct str rest = buf_str(in);
	struct buf out;

	buf_init(&out, SIZE_MAX / 2);
	while (rest.n > 0) {
		const char *end = memmem(rest.p, rest.n, "\n\n", 2);
		size_t n = end != NULL ? (size_t)(end - rest.p) + 2 : rest.n;
		struct str frame = str_make(rest.p, n);

		if (frame.p[0] == '\n') { /* a blank line, which says nothing */
			n = 1;
		} else if (memmem(frame.p, frame.n, "\ndata:", 6) != NULL || end == NULL) {
			buf_add_str(&out, frame);
		}
		rest = str_make(rest.p + n, rest.n - n);
	}
	buf_fini(in);
	*in = out;
}

static void set_window(struct viewer *viewer, int bytes)
{
	assert_int_equal(setsockopt(viewer->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static void take(struct viewer *viewer, struct str bytes, struct buf *in)
{
	struct buf plain;

	buf_init(&plain, SIZE_MAX / 2);
	buf_add_str(&plain, bytes);
	viewer_unpack(viewer, &plain);
	buf_add_str(in, buf_str(&plain));
	buf_fini(&plain);
}

/* Until the server closes; slowly until *hurry. */
static void read_all(struct viewer *viewer, struct buf *in, const bool *hurry)
{
	char bytes[READ_BYTES];
	bool slow = !*hurry;
	ssize_t n;

	buf_add_str(in, viewer->rest);
	if (slow) {
		set_window(viewer, SLOW_RCVBUF);
	}
	for (;;) {
		n = read(viewer->fd, bytes, slow && !*hurry ? SLOW_BYTES : sizeof(bytes));
		if (n > 0) {
			take(viewer, str_make(bytes, (size_t)n), in);
			if (slow && !*hurry) {
				assert_int_equal(fiber_sleep(SLOW_MS), ERR_OK);
			}
		} else if (n == 0) {
			return;
		} else {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(fiber_wait_fd(viewer->fd, FIBER_READ, WORLD_WAIT_MS),
			                 ERR_OK);
		}
	}
}

static const bool at_once = true;

static void follow(void *arg)
{
	struct client *client = arg;

	read_all(client->viewer, &client->in, client->slow ? &client->run->stopping : &at_once);
	keep_events(&client->in);
}

static void open_client(struct client *client, struct run *run, size_t i)
{
	*client =
		(struct client){ .run = run, .session = i % SESSIONS, .slow = i % SLOW_EVERY == 0 };
	buf_init(&client->in, SIZE_MAX / 2);
	client->viewer = viewer_open(run->world, 0, &run->sids[client->session], "", "");
	assert_int_equal(client->viewer->status, 200);
	(void)fiber_start(run->world->loop, &run->clients, "client", follow, client);
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
		assert_int_equal(fiber_sleep(BATCH_MS), ERR_OK);
	}
	(void)world_finish(run->world, sid);
}

static void begin(struct run *run, struct world *world)
{
	*run = (struct run){ .world = world };
	for (size_t i = 0; i < SESSIONS; i++) {
		run->sids[i] = world_session(world);
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

static void check_client(struct run *run, struct client *client)
{
	struct buf *whole = &run->whole[client->session];

	if (whole->data == NULL) {
		struct viewer *viewer =
			viewer_open(run->world, 0, &run->sids[client->session], "", "");

		buf_init(whole, SIZE_MAX / 2);
		read_all(viewer, whole, &at_once);
		keep_events(whole);
		viewer_close(viewer);
		assert_non_null(memmem(whole->data, whole->len, "event: end", 10));
	}
	if (!str_eq(buf_str(&client->in), buf_str(whole))) {
		fail_msg("a client of session %zu (slow %d) got %zu bytes, not those %zu",
		         client->session, client->slow, client->in.len, whole->len);
	}
}

static void unnoticed_body(struct world *world)
{
	const char *wanted = getenv("TAKEOVER_CLIENTS");
	size_t count = wanted != NULL ? strtoul(wanted, NULL, 10) : CLIENTS_DEFAULT;
	struct client *clients = mem_calloc(count, sizeof(*clients));
	struct run run;

	begin(&run, world);
	for (size_t i = 0; i < count; i++) {
		open_client(&clients[i], &run, i);
	}
	for (int i = 0; i < TAKEOVERS; i++) {
		take_over(world);
		world_await_ready(world, 0);
		assert_true(world_metric(world, 0, "fairlead_streams_taken_total") == count);
	}
	run.stopping = true;
	assert_int_equal(fiber_group_wait(&run.appenders, WORLD_WAIT_MS), ERR_OK);
	assert_int_equal(fiber_group_wait(&run.clients, 3 * WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		check_client(&run, &clients[i]);
	}
	for (size_t i = 0; i < count; i++) {
		viewer_close(clients[i].viewer);
		buf_fini(&clients[i].in);
	}
	for (size_t i = 0; i < SESSIONS; i++) {
		buf_fini(&run.whole[i]);
	}
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
