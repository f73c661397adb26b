/* An agent's own server on a loopback port: a child that answers as such servers do. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/agent_http.h"

enum { WAIT_MS = 10000, REQUEST_MAX = 65536 };

/* ---- the agent ---- */

struct stand {
	pid_t pid;
	unsigned port;
};

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0) {
			return;
		}
		text += sent;
		n -= (size_t)sent;
	}
}

static void read_request(int fd, char out[REQUEST_MAX])
{
	size_t n = 0;
	const char *body, *length;

	memset(out, 0, REQUEST_MAX);
	for (;;) {
		ssize_t got = recv(fd, out + n, REQUEST_MAX - 1 - n, 0);

		if (got <= 0) {
			return;
		}
		n += (size_t)got;
		body = strstr(out, "\r\n\r\n");
		length = strstr(out, "Content-Length: ");
		if (body != NULL &&
		    (length == NULL || strlen(body + 4) >= strtoul(length + 16, NULL, 10))) {
			return;
		}
	}
}

/* "Basic user:secret" */
static const char auth[] = "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";

static void answer(int fd, const char *request, int *stream)
{
	if (strstr(request, auth) == NULL) {
		say(fd, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
	} else if (strncmp(request, "GET /event ", 11) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		        "Transfer-Encoding: chunked\r\n\r\nb\r\ndata: early\r\n2\r\n\n\n\r\n");
		*stream = fd;
		return;
	} else if (strncmp(request, "POST /say ", 10) == 0) {
		say(*stream, "6\r\ndata: \r\n");
		say(*stream, "7\r\n{\"x\":1}\r\n");
		say(*stream, "2\r\n\n\n\r\n");
		say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
	} else if (strncmp(request, "POST /over ", 11) == 0) {
		(void)shutdown(*stream, SHUT_RDWR);
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
	} else {
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n{\"name\":\"None\"}");
	}
	(void)close(fd);
}

static void serve(int listening, bool is_http)
{
	static char request[REQUEST_MAX];
	int stream = -1;

	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (fd < 0) {
			_exit(1);
		}
		read_request(fd, request);
		if (is_http) {
			answer(fd, request, &stream);
		} else {
			say(fd, "-ERR unknown command\r\n");
		}
	}
}

static struct stand stand_start(bool is_http)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(at);
	struct stand stand;

	assert(fd >= 0 && bind(fd, (const struct sockaddr *)&at, n) == 0 && listen(fd, 16) == 0);
	assert(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	stand.port = ntohs(at.sin_port);
	stand.pid = fork();
	assert(stand.pid >= 0);
	if (stand.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd, is_http);
	}
	(void)close(fd);
	return stand;
}

static void stand_stop(const struct stand *stand)
{
	(void)kill(stand->pid, SIGKILL);
	(void)waitpid(stand->pid, NULL, 0);
}

/* ---- the worker's side ---- */

struct seen {
	struct stand stand;
	const char *password;
	uid_t uid;
	enum err_code opened;
	struct buf told;
	struct fiber_signal changed;
	unsigned events, replies, overs;
};

static void on_event(void *arg, struct str data)
{
	struct seen *seen = arg;

	buf_addf(&seen->told, "event %" STR_FMT "\n", STR_ARG(data));
	seen->events++;
	fiber_signal_raise(&seen->changed);
}

static void on_reply(void *arg, const struct adapter_reply *reply)
{
	struct seen *seen = arg;

	buf_addf(&seen->told, "reply %" STR_FMT " %u %" STR_FMT "\n", STR_ARG(reply->tag),
	         reply->status, STR_ARG(reply->body));
	seen->replies++;
	fiber_signal_raise(&seen->changed);
}

static void on_over(void *arg, const char *why)
{
	struct seen *seen = arg;

	buf_addf(&seen->told, "over %s\n", why);
	seen->overs++;
	fiber_signal_raise(&seen->changed);
}

static void await(struct seen *seen, const unsigned *count, unsigned value)
{
	while (*count < value) {
		if (fiber_signal_wait(&seen->changed, WAIT_MS) != ERR_OK) {
			buf_add_cstr(&seen->told, "waited for nothing\n");
			return;
		}
	}
}

static enum err_code open_it(struct loop *loop, struct seen *seen, struct agent_http **ret)
{
	const struct agent_http_options options = { .port = seen->stand.port,
		                                    .uid = seen->uid,
		                                    .user = "user",
		                                    .events_path = "/event",
		                                    .password = str_of(seen->password),
		                                    .arg = seen,
		                                    .event = on_event,
		                                    .reply = on_reply,
		                                    .over = on_over };
	struct err err;

	return agent_http_open(loop, &options, ret, &err);
}

static void talk(struct loop *loop, void *arg)
{
	struct seen *seen = arg;
	struct agent_http *http;

	seen->opened = open_it(loop, seen, &http);
	if (seen->opened != ERR_OK) {
		return;
	}
	await(seen, &seen->events, 1);
	agent_http_request(http, STR_LIT("a"), STR_LIT("POST /say"), STR_LIT("{}"));
	await(seen, &seen->replies, 1);
	await(seen, &seen->events, 2);
	agent_http_request(http, STR_LIT("b"), STR_LIT("GET /none"), STR_LIT(""));
	await(seen, &seen->replies, 2);
	agent_http_request(http, STR_LIT("c"), STR_LIT("POST /over"), STR_LIT(""));
	await(seen, &seen->replies, 3);
	await(seen, &seen->overs, 1);
	(void)kill(seen->stand.pid, SIGKILL);
	(void)waitpid(seen->stand.pid, NULL, 0);
	agent_http_request(http, STR_LIT("d"), STR_LIT("POST /say"), STR_LIT(""));
	await(seen, &seen->replies, 4);
	agent_http_close(http);
}

static void seen_init(struct seen *seen, bool is_http)
{
	*seen = (struct seen){ .password = "secret", .uid = geteuid() };
	seen->stand = stand_start(is_http);
	buf_init(&seen->told, REQUEST_MAX);
	fiber_signal_init(&seen->changed);
}

static void events_and_replies_are_told(void **state)
{
	struct seen seen;
	const char *last;

	(void)state;
	seen_init(&seen, true);
	run_fiber(talk, &seen);
	assert_int_equal(seen.opened, ERR_OK);
	assert_non_null(strstr(buf_cstr(&seen.told), "event early\n"));
	assert_non_null(strstr(buf_cstr(&seen.told), "event {\"x\":1}\n"));
	assert_non_null(strstr(buf_cstr(&seen.told), "reply a 204 \n"));
	assert_non_null(strstr(buf_cstr(&seen.told), "reply b 404 {\"name\":\"None\"}\n"));
	assert_non_null(strstr(buf_cstr(&seen.told), "reply c 200 {}\n"));
	assert_non_null(strstr(buf_cstr(&seen.told), "over the agent ended its stream"));
	last = strstr(buf_cstr(&seen.told), "reply d 0 ");
	assert_non_null(last);
	assert_null(strstr(buf_cstr(&seen.told), "waited for nothing"));
	assert_int_equal(seen.overs, 1);
	buf_fini(&seen.told);
}

static void assert_not_opened(bool is_http, const char *password, bool own, enum err_code wanted)
{
	struct seen seen;

	seen_init(&seen, is_http);
	seen.password = password;
	seen.uid += own ? 0 : 1;
	run_fiber(talk, &seen);
	stand_stop(&seen.stand);
	assert_int_equal(seen.opened, wanted);
	assert_int_equal(seen.overs, 0);
	buf_fini(&seen.told);
}

static void what_is_no_agents_server_is_not_spoken_to(void **state)
{
	(void)state;
	assert_not_opened(true, "wrong", true, ERR_BACKEND);
	assert_not_opened(false, "secret", true, ERR_BACKEND);
	assert_not_opened(true, "secret", false, ERR_FORBIDDEN);
}

static void leave(struct loop *loop, void *arg)
{
	struct seen *seen = arg;
	struct agent_http *http;

	seen->opened = open_it(loop, seen, &http);
	if (seen->opened == ERR_OK) {
		agent_http_request(http, STR_LIT("a"), STR_LIT("POST /say"), STR_LIT("{}"));
		agent_http_close(http); /* with a request under way */
	}
}

static void it_can_be_left_at_any_time(void **state)
{
	struct seen seen;

	(void)state;
	seen_init(&seen, true);
	run_fiber(leave, &seen);
	stand_stop(&seen.stand);
	assert_int_equal(seen.opened, ERR_OK);
	assert_int_equal(seen.overs, 0);
	buf_fini(&seen.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_and_replies_are_told),
		cmocka_unit_test(what_is_no_agents_server_is_not_spoken_to),
		cmocka_unit_test(it_can_be_left_at_any_time),
	};

	return cmocka_run_group_tests_name("agent_http", tests, NULL, NULL);
}
