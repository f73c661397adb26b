/*
 * FAIRLEAD_AGENT_SOCKET: a socket on which the agent of a session asks for what only its worker can
 * do (agent_request.h, docs/agents.md).
 *
 * It lies beside the agent's home, in a directory that is ours, so nobody can put another file in
 * its place; only the agents' user, root and we may connect.  One fiber a connection: a line in,
 * a line out, in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "worker/session_sandbox.h"

enum {
	TALKS_MAX = 16,
	BACKLOG = 16,
	CHUNK = 4096,
	WRITE_MS = 10000,
	TICK_MS = 1000,  /* between looks whether the asker is still there */
	SOON_MS = 200,   /* between looks at a session that is waited for, at first */
	SOON_FOR = 50,   /* so many of them */
	GONE_LOOKS = 30, /* after which a session without a log is none */
};

struct talk {
	struct session_run *run;
	int fd;
	struct buf in, out, text;
};

/* ---- the socket ---- */

const char *session_talk_path(const struct session_run *s)
{
	return arena_printf(s->arena, "%s/%s.sock", s->host->home_dir, s->sid.s);
}

/* By the directory's descriptor, so that the path may be longer than an address can be. */
static enum err_code bind_at(const struct session_run *s, int fd, int dir, const char *suffix,
                             struct err *err)
{
	const struct process_user *user = &s->host->user;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[ID_LEN + 16];

	(void)snprintf(name, sizeof(name), "%s.%s", s->sid.s, suffix);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir,
	               name);
	(void)unlinkat(dir, name, 0);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    fchmodat(dir, name, 0600, 0) != 0 ||
	    (user->drop && fchownat(dir, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) != 0) ||
	    listen(fd, BACKLOG) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", name, strerror(errno));
	}
	return ERR_OK;
}

enum err_code session_socket_open(const struct session_run *s, const char *suffix, int *ret_fd,
                                  struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int dir = open(s->host->home_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum err_code code = ERR_OK;

	if (fd < 0 || dir < 0) {
		code = err_set(err, ERR_UNAVAILABLE, "agent socket: %s", strerror(errno));
	} else {
		code = bind_at(s, fd, dir, suffix, err);
	}
	if (dir >= 0) {
		(void)close(dir);
	}
	if (code == ERR_OK) {
		*ret_fd = fd;
	} else if (fd >= 0) {
		(void)close(fd);
	}
	return code;
}

bool session_socket_may(const struct session_run *s, int fd)
{
	const struct process_user *user = &s->host->user;
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
	       (who.uid == 0 || who.uid == geteuid() || (user->drop && who.uid == user->uid));
}

/* ---- bytes ---- */

static bool write_all(struct talk *t)
{
	struct str rest = buf_str(&t->out);

	while (rest.n > 0 && !fiber_cancelled()) {
		ssize_t n = send(t->fd, rest.p, rest.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			rest.p += n;
			rest.n -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (fiber_wait_fd(t->fd, FIBER_WRITE, WRITE_MS) != ERR_OK) {
				return false;
			}
		} else if (n >= 0 || errno != EINTR) {
			return false;
		}
	}
	return rest.n == 0;
}

/* More of what it says; false at its end. */
static bool read_more(struct talk *t)
{
	char chunk[CHUNK];
	ssize_t n;

	while ((n = recv(t->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) < 0 &&
	       (errno == EAGAIN || errno == EINTR)) {
		if (fiber_wait_fd(t->fd, FIBER_READ, FIBER_NO_TIMEOUT) != ERR_OK) {
			return false;
		}
	}
	if (n > 0) {
		buf_add(&t->in, chunk, (size_t)n);
	}
	return n > 0;
}

/* Both directions are closed: nobody is there to be answered. */
static bool has_left(const struct talk *t)
{
	struct pollfd p = { .fd = t->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* ---- waiting ---- */

/* Whether what is waited for is there; false: after *ret_ms it is looked at again. */
typedef bool(ready_fn)(struct talk *t, struct session_wait *wait, uint64_t *ret_ms, void *arg);

enum outcome { OUTCOME_READY, OUTCOME_LATE, OUTCOME_LEFT };

static enum outcome await(struct talk *t, struct session_wait *wait, ready_fn *ready, void *arg)
{
	while (!fiber_cancelled()) {
		uint64_t ms = TICK_MS;
		int64_t left_us = wait->until_us - clock_wall_us();

		if (ready(t, wait, &ms, arg)) {
			return OUTCOME_READY;
		}
		if (wait->until_us != 0 && left_us <= 0) {
			return OUTCOME_LATE;
		}
		if (has_left(t)) {
			return OUTCOME_LEFT;
		}
		if (wait->until_us != 0 && left_us / 1000 < (int64_t)ms) {
			ms = (uint64_t)left_us / 1000 + 1;
		}
		(void)!fiber_signal_wait(&wait->changed, ms);
	}
	return OUTCOME_LEFT;
}

/* ---- a person ---- */

static bool is_answered(struct talk *t, struct session_wait *wait, uint64_t *ret_ms, void *arg)
{
	(void)t;
	(void)ret_ms;
	(void)arg;
	return wait->answer != NULL;
}

/* Nobody waits for the answer any more: who was asked need not think about it. */
static void withdraw(struct talk *t, const struct id *request, const char *why)
{
	session_unanswered_event(request, why, &t->text);
	(void)session_say(t->run, EVENT_TYPE_PERMISSION_RESOLVED, &t->text);
}

static bool give_answer(struct talk *t, const struct agent_request *request,
                        struct session_note *note)
{
	bool written;

	session_rules_heard(t->run, request->json, str_of(note->answer));
	agent_answer_approval(&t->out, str_of(note->answer));
	written = write_all(t);
	session_note_end(t->run, note, written ? NULL : "the agent has left");
	return written;
}

/* What is answered without asking is told all the same. */
static bool answer_by_rule(struct talk *t, const struct agent_request *request,
                           const struct session_verdict *verdict)
{
	const struct id id = id_new();

	agent_request_event(request, &id, 0, &t->text);
	(void)session_say(t->run, EVENT_TYPE_PERMISSION_REQUEST, &t->text);
	session_verdict_event(verdict, &id, &t->text);
	(void)session_say(t->run, EVENT_TYPE_PERMISSION_RESOLVED, &t->text);
	session_verdict_payload(verdict, &id, &t->text);
	agent_answer_approval(&t->out, buf_str(&t->text));
	buf_reset(&t->text);
	return write_all(t);
}

static bool give_expiry(struct talk *t, const struct id *request)
{
	session_expired_payload(request, &t->text);
	agent_answer_approval(&t->out, buf_str(&t->text));
	buf_reset(&t->text);
	return write_all(t);
}

static bool ask_person(struct talk *t, const struct agent_request *request)
{
	struct session_wait wait = { .what = "person",
		                     .request = id_new(),
		                     .until_us = request->until_us };
	bool known = session_ask_again(t->run, request->key, &wait.request);
	struct session_verdict verdict;
	enum outcome outcome;

	if (!known && session_rules_answer(t->run, request->json, &verdict)) {
		return answer_by_rule(t, request, &verdict);
	}
	if (wait.until_us == 0 && t->run->host->ask_expiry_ms > 0) {
		wait.until_us = clock_wall_us() + (int64_t)t->run->host->ask_expiry_ms * 1000;
	}
	(void)str_copy(wait.key, sizeof(wait.key), request->key);
	agent_request_event(request, &wait.request, wait.until_us, &t->text);
	session_wait_begin(t->run, &wait);
	if (!known) {
		(void)session_say(t->run, EVENT_TYPE_PERMISSION_REQUEST, &t->text);
	}
	outcome = await(t, &wait, is_answered, NULL);
	session_wait_end(t->run, &wait, outcome != OUTCOME_LEFT);
	if (wait.answer != NULL) { /* perhaps while it waited for its slot */
		return give_answer(t, request, wait.answer);
	}
	if (t->run->fate != FATE_EVICTED) {
		withdraw(t, &wait.request, outcome == OUTCOME_LATE ? "expired" : "withdrawn");
	}
	return give_expiry(t, &wait.request);
}

/* ---- a time ---- */

static bool never(struct talk *t, struct session_wait *wait, uint64_t *ret_ms, void *arg)
{
	(void)t;
	(void)wait;
	(void)ret_ms;
	(void)arg;
	return false;
}

static bool wait_until(struct talk *t, const struct agent_request *request)
{
	struct session_wait wait = { .what = request->limit ? "limit" : "timer",
		                     .until_us = request->until_us };
	enum outcome outcome;

	session_wait_begin(t->run, &wait);
	outcome = await(t, &wait, never, NULL);
	session_wait_end(t->run, &wait, outcome != OUTCOME_LEFT);
	agent_answer_ok(&t->out);
	return write_all(t);
}

/* ---- another session ---- */

struct other {
	enum session_state state;
	unsigned looks, absent;
	bool is_none;
};

/* A log that is not in Redis is one that was never made, or left it long after its end, or waits to
 * be rebuilt. */
static bool has_ended(struct talk *t, struct session_wait *wait, uint64_t *ret_ms, void *arg)
{
	struct session_run *s = t->run;
	struct other *other = arg;
	struct log_head head;
	struct err err;

	if (log_head_get(s->host->store, &wait->session, s->tenant, &head, &err) == ERR_OK) {
		other->absent = head.found ? 0 : other->absent + 1;
		other->state = head.found ? head.state : other->state;
		other->is_none = other->absent >= GONE_LOOKS;
		if (head.found && session_is_terminal(head.state)) {
			return true;
		}
	}
	*ret_ms = other->looks++ < SOON_FOR ? SOON_MS : TICK_MS;
	return other->is_none;
}

static bool wait_for_session(struct talk *t, const struct agent_request *request)
{
	struct session_wait wait = { .what = "session",
		                     .session = request->session,
		                     .until_us = request->until_us };
	struct other other = { .looks = 0 };
	enum outcome outcome;

	if (id_eq(&request->session, &t->run->sid)) {
		agent_answer_error(&t->out, "session is the one that asks");
		return write_all(t);
	}
	session_wait_begin(t->run, &wait);
	outcome = await(t, &wait, has_ended, &other);
	session_wait_end(t->run, &wait, outcome != OUTCOME_LEFT);
	if (outcome == OUTCOME_LATE) {
		agent_answer_error(&t->out, "it did not end in time");
	} else if (other.is_none) {
		agent_answer_error(&t->out, "there is no such session, or it ended long ago");
	} else {
		agent_answer_state(&t->out, session_state_name(other.state));
	}
	return write_all(t);
}

/* ---- a line ---- */

static bool tell(struct talk *t, const struct agent_request *request, enum event_type type)
{
	agent_request_event(request, NULL, 0, &t->text);
	(void)session_say(t->run, type, &t->text);
	agent_answer_ok(&t->out);
	return write_all(t);
}

static bool do_request(struct talk *t, const struct agent_request *request)
{
	switch (request->op) {
	case AGENT_PERMISSION_REQUEST: return ask_person(t, request);
	case AGENT_WAIT_UNTIL: return wait_until(t, request);
	case AGENT_WAIT_FOR_SESSION: return wait_for_session(t, request);
	case AGENT_NOTE: return tell(t, request, EVENT_TYPE_NOTE);
	case AGENT_PROGRESS: return tell(t, request, EVENT_TYPE_PROGRESS);
	case AGENT_OP_COUNT: break;
	}
	return false;
}

static bool do_line(struct talk *t, struct str line)
{
	struct agent_request request;
	struct err err;
	bool going;

	if (agent_request_parse(line, clock_wall_us(), &request, &err) != ERR_OK) {
		agent_answer_error(&t->out, err.msg);
		return write_all(t);
	}
	going = do_request(t, &request);
	agent_request_fini(&request);
	return going;
}

static void listen_to(struct talk *t)
{
	bool going = true;

	while (going && !fiber_cancelled()) {
		const char *end = t->in.len > 0 ? memchr(t->in.data, '\n', t->in.len) : NULL;

		if (end != NULL) {
			size_t n = (size_t)(end - t->in.data);

			going = do_line(t, str_make(t->in.data, n));
			buf_drop(&t->in, n + 1);
		} else if (t->in.len > AGENT_LINE_MAX) {
			agent_answer_error(&t->out, "a line is too long");
			(void)write_all(t);
			going = false;
		} else {
			going = read_more(t);
		}
	}
}

/* ---- connections ---- */

static void talk_main(void *arg)
{
	struct talk *t = arg;
	struct session_run *s = t->run;

	fiber_set_tag("session=%s", s->sid.s);
	buf_init(&t->in, AGENT_LINE_MAX + CHUNK + 1);
	buf_init(&t->out, (size_t)2 * AGENT_LINE_MAX);
	event_text_init(&t->text);
	listen_to(t);
	buf_fini(&t->in);
	buf_fini(&t->out);
	buf_fini(&t->text);
	(void)close(t->fd);
	free(t);
	s->talking--;
}

static void take_connection(struct session_run *s, int fd)
{
	static const char full[] = "{\"ok\":false,\"error\":\"too many connections\"}\n";
	struct talk *t;

	if (!session_socket_may(s, fd)) {
		(void)close(fd);
		return;
	}
	if (s->talking >= TALKS_MAX) {
		(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)close(fd);
		return;
	}
	t = mem_calloc(1, sizeof(*t));
	t->run = s;
	t->fd = fd;
	s->talking++;
	(void)fiber_start(s->host->loop, &s->talks, "talk", talk_main, t);
}

/* No fiber of its own: most agents never call. */
static void on_connection(struct loop_watch *watch)
{
	struct session_run *s = CONTAINER_OF(watch, struct session_run, talk_watch);
	int fd = accept4(s->talk_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		take_connection(s, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_warn("agent.socket", "session=%s %s", s->sid.s, strerror(errno));
		loop_watch_clear(watch); /* no descriptors, say */
		loop_timer_set(&s->talk_again, TICK_MS);
	}
}

static void on_again(struct loop_timer *timer)
{
	struct session_run *s = CONTAINER_OF(timer, struct session_run, talk_again);

	loop_watch_set(&s->talk_watch, s->host->loop, s->talk_fd, on_connection);
}

enum err_code session_talk_start(struct session_run *s, struct err *err)
{
	enum err_code code = session_socket_open(s, "sock", &s->talk_fd, err);

	if (code != ERR_OK) {
		return code;
	}
	s->talks_open = true;
	loop_timer_init(&s->talk_again, s->host->loop, on_again);
	loop_watch_set(&s->talk_watch, s->host->loop, s->talk_fd, on_connection);
	return ERR_OK;
}

void session_talk_stop(struct session_run *s)
{
	if (!s->talks_open) {
		return;
	}
	s->talks_open = false;
	loop_watch_clear(&s->talk_watch);
	loop_timer_clear(&s->talk_again);
	fiber_group_cancel(&s->talks, ERR_CANCELLED);
	fiber_shield();
	(void)!fiber_group_wait(&s->talks, FIBER_NO_TIMEOUT);
	fiber_unshield();
	(void)close(s->talk_fd);
	(void)unlink(session_talk_path(s));
}
