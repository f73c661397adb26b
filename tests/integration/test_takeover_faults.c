/*
 * Takeovers that go wrong, at every step and on either side: whoever is left goes on, and no client
 * gets a byte too many or too few.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "streamer/handover.h"
#include "streamer/record.h"
#include "streamer/wire.h"
#include "tests/integration/streamer_world.h"

enum {
	VIEWERS = 100,
	EVENTS = 5,
	ROUNDS = 10,
	WATCHERS = 40,
	SESSIONS = 4,
	APPEND_MS = 10,
	LEAVE_MS = 200
};

/* ---- the test as the new streamer ---- */

enum step {
	STEP_CONNECTED,
	STEP_OLD_VERSION, /* it is told no */
	STEP_ASKED,
	STEP_GREETED,
	STEP_TOOK_HELLO,
	STEP_GOT_BATCH,
	STEP_TOOK_BATCH,
	STEP_GOT_LAST,
	STEP_SAID_NO,
	STEP_SILENT, /* and stays */
	STEP_COUNT,
};

static void say_numbers(int fd, enum hand_type type, uint64_t first, uint64_t second, int numbers)
{
	struct buf body;
	struct err err;

	buf_init(&body, 64);
	wire_put(&body, first, 4);
	if (numbers > 1) {
		wire_put(&body, second, 4);
	}
	assert_int_equal(hand_send(fd, type, buf_str(&body), NULL, 0, &err), ERR_OK);
	buf_fini(&body);
}

static void expect(int fd, enum hand_type type, struct hand_message *message)
{
	struct err err;

	if (hand_expect(fd, type, message, &err) != ERR_OK) {
		fail_msg("message %d: %s", (int)type, err.msg);
	}
}

/* Until the step, and no further. */
static void be_successor(int fd, enum step until, struct hand_message *message)
{
	struct err err;

	if (until == STEP_CONNECTED) {
		return;
	}
	say_numbers(fd, HAND_ASK, HAND_VERSION + (until == STEP_OLD_VERSION), HAND_FRAMES, 2);
	if (until == STEP_OLD_VERSION) {
		assert_int_equal(hand_expect(fd, HAND_HELLO, message, &err), ERR_CONFLICT);
		assert_non_null(strstr(err.msg, "version"));
	}
	if (until <= STEP_ASKED) {
		return;
	}
	expect(fd, HAND_HELLO, message);
	assert_int_equal(message->fd_count, 1);
	if (until == STEP_GREETED) {
		return;
	}
	say_numbers(fd, HAND_TOOK, 0, 0, 1);
	if (until == STEP_TOOK_HELLO) {
		return;
	}
	expect(fd, HAND_BATCH, message);
	assert_int_equal(message->fd_count, HAND_FDS_MAX);
	if (until == STEP_GOT_BATCH) {
		return;
	}
	say_numbers(fd, HAND_TOOK, 1, 0, 1);
	if (until == STEP_TOOK_BATCH) {
		return;
	}
	expect(fd, HAND_BATCH, message);
	assert_int_equal(message->fd_count, VIEWERS - HAND_FDS_MAX);
	if (until == STEP_SAID_NO) {
		hand_refuse(fd, &(struct err){ .msg = "changed my mind" });
	} else if (until == STEP_SILENT) {
		assert_int_equal(fiber_wait_fd(fd, FIBER_READ, WORLD_WAIT_MS), ERR_OK);
		assert_int_equal(hand_receive(fd, message, &err), ERR_OK);
		assert_int_equal(message->type, HAND_NO);
	}
}

static void giving_up_body(struct world *world)
{
	struct id sid = world_session(world);
	struct viewer *viewers[VIEWERS];
	struct cursor at[VIEWERS] = { 0 }, last;
	char path[REDIS_SERVER_PATH];
	struct stat st;

	world_handover_path(world, 0, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (size_t i = 0; i < VIEWERS; i++) {
		viewers[i] = viewer_open(world, 0, &sid, "", "");
	}
	for (enum step step = 0; step < STEP_COUNT; step++) {
		struct hand_message message = { .fd_count = 0 };
		struct err err;
		int fd;

		assert_int_equal(hand_connect(path, &fd, &err), ERR_OK);
		be_successor(fd, step, &message);
		last = world_notes(world, &sid, EVENTS, 1);
		(void)close(fd);
		hand_message_fini(&message);
		for (size_t i = 0; i < VIEWERS; i++) {
			viewer_expect(viewers[i], &at[i], last.n);
		}
		world_await_ready(world, 0); /* and it accepts */
	}
	for (size_t i = 0; i < VIEWERS; i++) {
		viewer_close(viewers[i]);
	}
}

/* A successor that neither answers nor ends is waited for, but not for long. */
static void a_successor_that_gives_up_anywhere_changes_nothing(void **state)
{
	struct world world = { .body = giving_up_body, .hands_over = true };

	(void)state;
	world_run(&world);
}

/* ---- a child of the test as the old streamer ---- */

enum end {
	END_BEFORE_HELLO, /* it dies */
	END_AFTER_HELLO,  /* it dies */
	END_AFTER_BATCH,  /* it dies */
	END_AFTER_COMMIT,
	END_ELSEWHERE, /* it listens at another address */
	END_NO,        /* it says no, and lives on */
	END_MUTE,      /* it closes the socket, and lives on */
	END_NOISE,     /* it says what nobody understands */
};

struct old {
	const struct world *world;
	enum end end;
	struct id sid;
	int listener, stream; /* what it hands over */
	struct cursor at;
	uint32_t sent; /* of the event after that */
};

static void tell(int fd, enum hand_type type, const struct buf *body, int passed)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char first = (char)type;
	struct iovec iov[2] = { { &first, 1 }, { body->data, body->len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (passed >= 0) {
		struct cmsghdr *header;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&msg);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed, sizeof(int));
	}
	(void)!sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void hear(int fd)
{
	char any[64];

	(void)!recv(fd, any, sizeof(any), 0);
}

static void tell_hello(const struct old *old, int fd)
{
	struct buf body, names;
	char address[REDIS_SERVER_PATH + 8];

	(void)snprintf(address, sizeof(address), "unix:%s%s", old->world->streamers[0].path,
	               old->end == END_ELSEWHERE ? "-other" : "");
	buf_init(&body, UINT16_MAX);
	buf_init(&names, UINT16_MAX);
	record_classes_format(&names);
	wire_put_str(&body, str_of(address));
	wire_put_str(&body, buf_str(&names));
	tell(fd, HAND_HELLO, &body, old->listener);
	buf_fini(&body);
	buf_fini(&names);
	hear(fd);
}

static void tell_batch(const struct old *old, int fd)
{
	struct record_followed followed = { .sid = old->sid,
		                            .tip = old->at,
		                            .state = SESSION_QUEUED,
		                            .position = { .at = old->at,
		                                          .types = POSITION_ALL_TYPES,
		                                          .sent = old->sent,
		                                          .sent_of = (uint32_t)old->at.epoch } };
	struct record record = { .kind = RECORD_SSE,
		                 .peer = STR_LIT("unix"),
		                 .left = old->sent > 0 ? STR_LIT("") : STR_LIT("st: note\n\n"),
		                 .count = 1,
		                 .followed = &followed };
	struct buf body;

	(void)str_copy(record.principal.tenant, sizeof(record.principal.tenant), STR_LIT(TENANT));
	record.principal.key = id_new();
	record.principal.scopes = auth_bit(AUTH_SESSION_READ);
	record.principal.lent = AUTH_ALL;
	record.principal.any_namespace = true;
	buf_init(&body, UINT16_MAX);
	wire_put(&body, 1, 4);
	wire_put(&body, 1, 4);
	record_encode(&record, &body);
	tell(fd, HAND_BATCH, &body, old->stream);
	buf_fini(&body);
	hear(fd);
}

static void hand_over(const struct old *old, int fd)
{
	struct buf body;

	buf_init(&body, 64);
	hear(fd);
	if (old->end == END_NO) {
		buf_add_cstr(&body, "no");
		tell(fd, HAND_NO, &body, -1);
	} else if (old->end == END_NOISE) {
		tell(fd, HAND_BATCH, &body, -1);
	} else if (old->end != END_BEFORE_HELLO) {
		tell_hello(old, fd);
	}
	if (old->end == END_AFTER_BATCH || old->end == END_AFTER_COMMIT) {
		tell_batch(old, fd);
	}
	if (old->end == END_AFTER_COMMIT) {
		wire_put(&body, 1, 4);
		tell(fd, HAND_COMMIT, &body, -1);
	}
	buf_fini(&body);
}

/* In the child. */
static void be_old(const struct old *old)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), peer;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	world_handover_path(old->world, 0, address.sun_path, sizeof(address.sun_path));
	(void)unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0) {
		_exit(1);
	}
	peer = accept(fd, NULL, NULL);
	hand_over(old, peer);
	if (old->end == END_NO || old->end == END_MUTE || old->end == END_NOISE ||
	    old->end == END_ELSEWHERE) {
		(void)close(peer);
		for (;;) {
			(void)pause();
		}
	}
	_exit(0);
}

static int listen_for(const struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(str_copy(address.sun_path, sizeof(address.sun_path),
	                     str_of(world->streamers[0].path)));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* The successor of such an old one, once that listens; *ret_client is the client's end. */
static pid_t succeed(struct world *world, struct old *old, pid_t *ret_old, int *ret_client)
{
	char path[REDIS_SERVER_PATH];
	int pair[2];
	struct stat st;

	world_handover_path(world, 0, path, sizeof(path));
	(void)unlink(path);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
	                 0);
	old->world = world;
	old->stream = pair[0];
	*ret_client = pair[1];
	*ret_old = fork();
	assert_true(*ret_old >= 0);
	if (*ret_old == 0) {
		be_old(old);
	}
	(void)close(pair[0]);
	while (stat(path, &st) != 0) {
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	return world_start_successor(world, 0);
}

/* What the client reads on: the rest of a frame or of a note, and then whole frames. */
static void read_until(int fd, const char *text, struct buf *in)
{
	char bytes[4096];

	while (in->len == 0 || memmem(in->data, in->len, text, strlen(text)) == NULL) {
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n > 0) {
			buf_add(in, bytes, (size_t)n);
		} else if (n == 0) {
			fail_msg("the connection has ended after %s", buf_cstr(in));
		} else {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(fiber_wait_fd(fd, FIBER_READ, WORLD_WAIT_MS), ERR_OK);
		}
	}
}

/* The bytes of everything that follows the cursor, up to that event. */
static void read_reference(struct world *world, const struct old *old, const char *text,
                           struct buf *ret)
{
	char last[CURSOR_SIZE];
	struct viewer *viewer;

	cursor_format(&old->at, last);
	viewer = viewer_open(world, 0, &old->sid, "", last);
	buf_add_str(ret, viewer->rest);
	read_until(viewer->fd, text, ret);
	buf_drop(ret, (size_t)((char *)memmem(ret->data, ret->len, "\n\n", 2) + 2 - ret->data));
	viewer_close(viewer);
}

static void inherit(struct world *world, enum end end, uint32_t sent)
{
	struct old old = { .end = end, .sid = world_session(world), .sent = sent };
	struct streamer *streamer = &world->streamers[0];
	struct buf in, reference;
	pid_t fake;
	int client;

	old.at = world_notes(world, &old.sid, 3, 1);
	(void)world_notes(world, &old.sid, 3, 1);
	(void)world_stop(world, 0, SIGTERM);
	old.listener = listen_for(world);
	streamer->pid = succeed(world, &old, &fake, &client);
	assert_int_equal(world_await_end(fake), 0);
	(void)close(old.listener);
	world_await_ready(world, 0);
	(void)world_append(world, &old.sid, EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"last\"}"));
	buf_init(&in, UINT16_MAX);
	buf_init(&reference, UINT16_MAX);
	read_until(client, "last", &in);
	read_reference(world, &old, "last", &reference);
	if (sent > 0) {
		buf_drop(&reference, sent);
	} else {
		buf_drop(&in, sizeof("st: note\n\n") - 1);
	}
	assert_string_equal(buf_cstr(&in), buf_cstr(&reference));
	buf_fini(&in);
	buf_fini(&reference);
	(void)close(client);
}

static void inherit_body(struct world *world)
{
	inherit(world, END_AFTER_BATCH, 0);
	inherit(world, END_AFTER_BATCH, 17);
	inherit(world, END_AFTER_COMMIT, 0);
	inherit(world, END_AFTER_COMMIT, 1);
}

static void a_successor_goes_on_at_the_very_byte_also_when_the_old_one_died(void **state)
{
	struct world world = { .body = inherit_body, .hands_over = true };

	(void)state;
	world_run(&world);
}

static void alone_body(struct world *world)
{
	static const enum end ends[] = { END_BEFORE_HELLO, END_AFTER_HELLO };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct old old = { .end = ends[i], .sid = world_session(world) };
		pid_t fake;
		int client;

		(void)world_stop(world, 0, SIGTERM);
		old.listener = listen_for(world);
		if (ends[i] == END_BEFORE_HELLO) {
			(void)close(old.listener);
			old.listener = -1;
		}
		world->streamers[0].pid = succeed(world, &old, &fake, &client);
		assert_int_equal(world_await_end(fake), 0);
		if (old.listener >= 0) {
			(void)close(old.listener);
		}
		world_await_ready(world, 0);
		(void)close(client);
	}
}

static void a_successor_of_one_that_had_given_nothing_listens_by_itself(void **state)
{
	struct world world = { .body = alone_body, .hands_over = true };

	(void)state;
	world_run(&world);
}

static void refused_body(struct world *world)
{
	static const enum end ends[] = { END_NO, END_MUTE, END_NOISE, END_ELSEWHERE };

	(void)world_stop(world, 0, SIGTERM);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct old old = { .end = ends[i], .sid = world_session(world), .listener = -1 };
		pid_t fake, successor;
		int client, status;

		if (ends[i] == END_ELSEWHERE) {
			old.listener = dup(STDERR_FILENO);
		}
		successor = succeed(world, &old, &fake, &client);
		status = world_await_end(successor);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
		(void)kill(fake, SIGKILL);
		(void)world_await_end(fake);
		(void)close(client);
		if (old.listener >= 0) {
			(void)close(old.listener);
		}
	}
	world_start(world, 0);
	world_await_ready(world, 0);
}

static void a_successor_ends_when_the_old_one_lives_on_without_it(void **state)
{
	struct world world = { .body = refused_body, .hands_over = true };

	(void)state;
	world_run(&world);
}

/* ---- two that were started beside each other ---- */

static ino_t inode_of(const char *path)
{
	struct stat st = { .st_ino = 0 };

	(void)stat(path, &st);
	return st.st_ino;
}

static void beside_body(struct world *world)
{
	pid_t first = world->streamers[0].pid;
	char path[REDIS_SERVER_PATH];
	ino_t inode;

	world_handover_path(world, 0, path, sizeof(path));
	inode = inode_of(path);
	assert_true(inode != 0);
	world_start(world, 0); /* without --takeover, at the same port */
	while (inode_of(path) == inode) {
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	inode = inode_of(path);
	(void)kill(first, SIGTERM);
	assert_int_equal(world_await_end(first), 0);
	assert_true(inode_of(path) == inode);
}

static void one_that_stops_leaves_the_socket_of_another(void **state)
{
	struct world world = { .body = beside_body, .hands_over = true };

	(void)state;
	world_find_ports(&world);
	world_run(&world);
}

/* ---- either is killed at any time ---- */

struct run {
	struct world *world;
	struct id sids[SESSIONS];
	struct fiber_group group;
	size_t next;
	bool stopping;
	uint64_t last[SESSIONS];
};

struct watcher {
	struct run *run;
	size_t session;
	struct cursor at;
	bool done;
};

static void watch(void *arg)
{
	struct watcher *watcher = arg;
	struct run *run = watcher->run;
	char text[CURSOR_SIZE] = "";

	while (!watcher->done) {
		struct viewer *viewer =
			viewer_try(run->world, 0, &run->sids[watcher->session], "", text);

		if (viewer == NULL || viewer->status != 200) {
			watcher->done = viewer != NULL && viewer->status == 204;
			assert_int_equal(fiber_sleep(10), ERR_OK);
		}
		while (viewer != NULL && viewer->status == 200 && viewer_next(viewer)) {
			if (viewer_is(viewer, "end") || viewer_is(viewer, "drain")) {
				watcher->done = viewer_is(viewer, "end");
				continue;
			}
			assert_int_equal(viewer_at(viewer).n, watcher->at.n + 1);
			watcher->at = viewer_at(viewer);
		}
		cursor_format(&watcher->at, text);
		if (viewer != NULL) {
			viewer_close(viewer);
		}
	}
}

static void append_all(void *arg)
{
	struct run *run = arg;
	size_t session = run->next++;

	while (!run->stopping) {
		(void)world_notes(run->world, &run->sids[session], 2, 2);
		assert_int_equal(fiber_sleep(APPEND_MS), ERR_OK);
	}
	run->last[session] = world_finish(run->world, &run->sids[session]).n;
}

/* Has it ended by now, or soon? */
static bool has_ended(pid_t pid, unsigned within_ms)
{
	uint64_t until = clock_mono_ms() + within_ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() > until) {
			return false;
		}
		assert_int_equal(fiber_sleep(1), ERR_OK);
	}
	return true;
}

/* Whoever is left serves; when nobody is, one is started. */
static void kill_round(struct world *world, unsigned after_ms, bool kills_old)
{
	pid_t before = world->streamers[0].pid;
	pid_t after = world_start_successor(world, 0);
	pid_t victim = kills_old ? before : after, other = kills_old ? after : before;

	assert_int_equal(fiber_sleep(after_ms), ERR_OK);
	(void)kill(victim, SIGKILL);
	assert_true(has_ended(victim, WORLD_WAIT_MS));
	world->streamers[0].pid = other;
	if (has_ended(other, LEAVE_MS)) { /* it had given everything, or could not take it */
		world_start(world, 0);
	}
	world_await_ready(world, 0);
}

/* How long one takes from the start of the successor to the end of the old one. */
static unsigned undisturbed(struct world *world)
{
	uint64_t began = clock_mono_ms();
	pid_t before = world->streamers[0].pid;

	world->streamers[0].pid = world_start_successor(world, 0);
	assert_int_equal(world_await_end(before), 0);
	return (unsigned)(clock_mono_ms() - began);
}

static void killed_body(struct world *world)
{
	struct run run = { .world = world };
	struct watcher watchers[WATCHERS];
	unsigned took;

	for (size_t i = 0; i < SESSIONS; i++) {
		run.sids[i] = world_session(world);
		(void)fiber_start(world->loop, &run.group, "append", append_all, &run);
	}
	for (size_t i = 0; i < WATCHERS; i++) {
		watchers[i] = (struct watcher){ .run = &run, .session = i % SESSIONS };
		(void)fiber_start(world->loop, &run.group, "watch", watch, &watchers[i]);
	}
	took = undisturbed(world);
	for (unsigned i = 0; i < ROUNDS; i++) {
		kill_round(world, took * 3 / 4 + (unsigned)rand() % (took / 2), i % 2 == 0);
	}
	run.stopping = true;
	assert_int_equal(fiber_group_wait(&run.group, 2 * WORLD_WAIT_MS), ERR_OK);
	for (size_t i = 0; i < WATCHERS; i++) {
		assert_int_equal(watchers[i].at.n, run.last[watchers[i].session]);
	}
}

static void views_are_whole_though_either_is_killed_at_any_time(void **state)
{
	struct world world = { .body = killed_body, .hands_over = true };

	(void)state;
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_that_gives_up_anywhere_changes_nothing),
		cmocka_unit_test(a_successor_goes_on_at_the_very_byte_also_when_the_old_one_died),
		cmocka_unit_test(a_successor_of_one_that_had_given_nothing_listens_by_itself),
		cmocka_unit_test(a_successor_ends_when_the_old_one_lives_on_without_it),
		cmocka_unit_test(one_that_stops_leaves_the_socket_of_another),
		cmocka_unit_test(views_are_whole_though_either_is_killed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
