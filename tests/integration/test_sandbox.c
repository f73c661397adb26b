/* What an agent tries against its sandbox, for real: as root with an unprivileged agents' user, or
 * all as one user. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/agent_http.h"
#include "worker/egress.h"
#include "worker/runner.h"
#include "worker/sandbox.h"

enum { PATH_SIZE = 512, TEXT_SIZE = 65536, WAIT_MS = 20000 };

static char dir[] = "/var/tmp/fairlead-sandbox-XXXXXX";
static char state_dir[PATH_SIZE / 2], workspace[PATH_SIZE], home[PATH_SIZE], other[PATH_SIZE];
static struct process_user user;
static struct arena *arena;
static struct sandbox_host host;
static char why_not[ERR_MSG_MAX]; /* "": sandboxes work here */
static unsigned open_port;        /* on the host's loopback, */
static int host_listener;         /* where this listens */

/* ---- running ---- */

struct attempt {
	enum sandbox_profile profile;
	const char *script;
	const char *serve, *egress;
	void (*meanwhile)(struct runner *runner);
	/* what came of it */
	enum err_code code;
	struct runner_exit exit;
	char output[TEXT_SIZE];
	size_t used;
};

static void read_all(struct attempt *a, struct runner *runner)
{
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	enum runner_stream from;
	size_t n = 1;

	while (a->code == ERR_OK && n > 0) {
		a->code = runner_read(runner, chunk, WAIT_MS, &n, &from);
		if (a->code == ERR_OK && a->used + n < TEXT_SIZE) {
			memcpy(a->output + a->used, chunk, n);
			a->used += n;
		}
	}
	free(chunk);
}

static void in_fiber(struct loop *loop, void *arg)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/bin", NULL };
	struct attempt *a = arg;
	const struct sandbox_place place = { .profile = a->profile,
		                             .workspace = workspace,
		                             .home = home,
		                             .egress = a->egress,
		                             .serve = a->serve };
	const char *const *words = sandbox_words(&host, &place, arena);
	const char *argv[600];
	struct runner_options options = { .guard_path = GUARD_PATH,
		                          .argv = argv,
		                          .env = env,
		                          .cwd = workspace,
		                          .user = user,
		                          .grace_ms = 2000,
		                          .wrapped = true };
	struct runner *runner;
	struct err err;
	size_t n = 0;

	while (words[n] != NULL) {
		argv[n] = words[n];
		n++;
	}
	argv[n++] = "bash";
	argv[n++] = "-c";
	argv[n++] = a->script;
	argv[n] = NULL;
	a->code = runner_start(loop, &options, &runner, &err);
	if (a->code != ERR_OK) {
		return;
	}
	if (a->meanwhile != NULL) {
		a->meanwhile(runner);
	}
	read_all(a, runner);
	if (a->code == ERR_OK) {
		a->code = runner_wait_exit(runner, WAIT_MS, &a->exit);
	}
	runner_free(runner);
}

static char *filled(const char *format)
{
	const struct {
		const char *name, *value;
	} names[] = { { "@workspace", workspace },
		      { "@home", home },
		      { "@other", other },
		      { "@state", state_dir } };
	struct buf text;

	buf_init(&text, TEXT_SIZE);
	while (*format != '\0') {
		size_t i = 0;

		while (i < ARRAY_LEN(names) &&
		       strncmp(format, names[i].name, strlen(names[i].name)) != 0) {
			i++;
		}
		if (i < ARRAY_LEN(names)) {
			buf_add_cstr(&text, names[i].value);
			format += strlen(names[i].name);
		} else if (strncmp(format, "@port", 5) == 0) {
			buf_addf(&text, "%u", open_port);
			format += 5;
		} else {
			buf_add_char(&text, *format++);
		}
	}
	return buf_take(&text);
}

static void run(struct attempt *a)
{
	char *script = filled(a->script);

	a->script = script;
	run_fiber(in_fiber, a);
	free(script);
}

/* The script in the sandbox prints exactly that and ends well. */
static void says(enum sandbox_profile profile, const char *script, const char *wanted)
{
	struct attempt *a = mem_calloc(1, sizeof(*a));
	char *expected = filled(wanted);

	a->profile = profile;
	a->script = script;
	run(a);
	if (a->code != ERR_OK || a->exit.by_signal || a->exit.code != 0 ||
	    strcmp(a->output, expected) != 0) {
		fail_msg("%s\n  wanted: %s\n  got %s, exit %d: %s", script, expected,
		         err_name(a->code), a->exit.code, a->output);
	}
	free(expected);
	free(a);
}

static bool works(void)
{
	if (why_not[0] != '\0') {
		print_message("no sandboxes here: %s\n", why_not);
		/* Kernels and containers may forbid user namespaces, without which bubblewrap
		 * cannot shut anything in. */
		skip();
	}
	return true;
}

/* ---- files ---- */

static void the_host_is_read_only_and_others_are_not_seen(void **state)
{
	(void)state;
	assert_true(works());
	says(SANDBOX_WORKSPACE_WRITE, "echo x >@workspace/a && echo y >@home/b && cat a @home/b",
	     "x\ny\n");
	says(SANDBOX_WORKSPACE_WRITE,
	     "for f in /etc/x /usr/x /var/x @state/x; do (echo x >$f) 2>/dev/null && echo $f; "
	     "done; "
	     "ls -A @state; echo .",
	     "@state/x\nh\nw\nx\n.\n");
	says(SANDBOX_WORKSPACE_WRITE, "cat @other/secret 2>&1 | sed 's/.*: //'",
	     "No such file or directory\n");
	says(SANDBOX_WORKSPACE_WRITE,
	     "ln -s @other/secret link && cat link 2>/dev/null; rm link; "
	     "ls -A /tmp /run | grep -v fairlead; ls /proc/1/root/@other 2>/dev/null; echo .",
	     "/run:\n\n/tmp:\n.\n");
}

/* bubblewrap 0.12 needs to read each folder on the way; what is beside it goes along. */
static void what_is_hidden_in_a_folder_that_cannot_be_read_takes_it_along(void **state)
{
	const char *hide = host.hide, *show = host.show;
	char closed[PATH_SIZE], command[8 * PATH_SIZE];

	(void)state;
	assert_true(works());
	(void)snprintf(closed, sizeof(closed), "%s/closed", dir);
	(void)snprintf(command, sizeof(command),
	               "cd '%s' && mkdir closed closed/in closed/tool closed/other && echo x "
	               ">closed/tool/x && "
	               "chmod 0311 closed",
	               dir);
	assert_int_equal(system(command), 0);
	host.hide = arena_printf(arena, "%s/in", closed);
	host.show = arena_printf(arena, "%s/tool,%s/tool/x", closed, closed);
	(void)snprintf(command, sizeof(command), "ls -A %s; cat %s/tool/x", closed, closed);
	says(SANDBOX_WORKSPACE_WRITE, command, "tool\nx\n");
	host.hide = hide;
	host.show = show;
	assert_int_equal(chmod(closed, 0700), 0);
}

static void a_workspace_that_is_read_only_cannot_be_written(void **state)
{
	(void)state;
	assert_true(works());
	says(SANDBOX_READ_ONLY,
	     "echo x 2>/dev/null >@workspace/new || echo no; echo y >@home/c && cat @home/c",
	     "no\ny\n");
}

/* ---- who it is ---- */

static void it_has_no_rights_and_gets_none(void **state)
{
	(void)state;
	assert_true(works());
	says(SANDBOX_WORKSPACE_WRITE,
	     "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; unshare -Ur true "
	     "2>/dev/null "
	     "|| echo no; mount -t tmpfs x /mnt 2>/dev/null || echo no",
	     "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nno\nno\n");
}

static void its_guard_cannot_be_seen_or_killed(void **state)
{
	struct attempt *a;

	(void)state;
	assert_true(works());
	a = mem_calloc(1, sizeof(*a));
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->script = "kill -9 -1; ls /proc | grep -c '^[0-9]'; pgrep -f -- --control; echo alive";
	run(a);
	assert_int_equal(a->code, ERR_OK);
	assert_non_null(strstr(a->output, "alive"));
	assert_int_equal(a->exit.code, 0);
	free(a);
}

/* ---- network ---- */

static void the_network_is_not_reached(void **state)
{
	(void)state;
	assert_true(works());
	says(SANDBOX_WORKSPACE_WRITE,
	     "(exec 3<>/dev/tcp/127.0.0.1/@port) 2>/dev/null || echo no; "
	     "(exec 3<>/dev/tcp/192.0.2.1/80) 2>/dev/null || echo no; "
	     "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '",
	     "no\nno\nlo\n");
}

/* ---- the way out ---- */

struct proxy {
	struct egress egress;
	struct fiber_group fibers;
	int fd, server;
	char path[2 * PATH_SIZE];
	char log[TEXT_SIZE / 16];
};
static struct proxy *proxy;

static void on_ended(void *arg, const struct egress_ended *ended)
{
	struct proxy *p = arg;
	size_t n = strlen(p->log);

	(void)snprintf(p->log + n, sizeof(p->log) - n, "%s %s %ju %ju\n", ended->target->host,
	               ended->why == NULL ? "ok" : ended->why, (uintmax_t)ended->out,
	               (uintmax_t)ended->in);
}

static void accept_all(void *arg)
{
	struct proxy *p = arg;
	int fd;

	while (fiber_wait_fd(p->fd, FIBER_READ, FIBER_NO_TIMEOUT) == ERR_OK) {
		if ((fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
			egress_take(&p->egress, fd);
		}
	}
}

/* A server on the host: says what it was sent back, and ends. */
static void echo_all(void *arg)
{
	struct proxy *p = arg;
	char text[1024];
	ssize_t n;
	int fd;

	while (fiber_wait_fd(p->server, FIBER_READ, FIBER_NO_TIMEOUT) == ERR_OK) {
		fd = accept4(p->server, NULL, NULL, SOCK_CLOEXEC);
		n = fiber_wait_fd(fd, FIBER_READ, WAIT_MS) == ERR_OK ? read(fd, text, sizeof(text))
		                                                     : 0;
		(void)!write(fd, text, n > 0 ? (size_t)n : 0);
		(void)close(fd);
	}
}

static void open_proxy(struct loop *loop)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)snprintf(proxy->path, sizeof(proxy->path), "%s/net", state_dir);
	(void)str_copy(at.sun_path, sizeof(at.sun_path), str_of(proxy->path));
	proxy->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(bind(proxy->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	            chmod(proxy->path, 0666) == 0 && listen(proxy->fd, 8) == 0);
	proxy->server = host_listener;
	proxy->egress.loop = loop;
	proxy->egress.fibers = &proxy->fibers;
	proxy->egress.arg = proxy;
	proxy->egress.ended = on_ended;
	egress_init(&proxy->egress);
	(void)fiber_start(loop, &proxy->fibers, "accept", accept_all, proxy);
	(void)fiber_start(loop, &proxy->fibers, "echo", echo_all, proxy);
}

static void close_proxy(void)
{
	fiber_group_cancel(&proxy->fibers, ERR_CANCELLED);
	(void)!fiber_group_wait(&proxy->fibers, FIBER_NO_TIMEOUT);
	(void)close(proxy->fd);
}

static void with_proxy(struct loop *loop, void *arg)
{
	struct attempt *a = arg;

	open_proxy(loop);
	a->egress = proxy->path;
	in_fiber(loop, a);
	close_proxy();
}

static void only_hosts_that_are_allowed_are_reached_and_each_is_told(void **state)
{
	static const char ask[] =
		"ask() { exec 3<>/dev/tcp/127.0.0.1/3128; printf '%b' \"$1\" >&3; head -1 <&3; "
		"exec 3>&-; }; ask 'CONNECT 127.0.0.1:@port HTTP/1.1\\r\\n\\r\\n'; "
		"ask 'CONNECT 127.0.0.2:@port HTTP/1.1\\r\\n\\r\\n'; "
		"ask 'CONNECT evil.example:443 HTTP/1.1\\r\\n\\r\\n'; "
		"ask 'CONNECT localhost:@port HTTP/1.1\\r\\n\\r\\n'; "
		"ask 'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'; "
		"ask 'GET http://127.0.0.1:@port/a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'";
	const struct str wish = STR_LIT("localhost:1");
	char *private, *script, *all;
	struct attempt *a;

	(void)state;
	assert_true(works());
	private = filled("127.0.0.1:@port");
	all = filled("127.0.0.1:@port,127.0.0.2:@port");
	script = filled(ask);
	a = mem_calloc(1, sizeof(*a));
	proxy = mem_calloc(1, sizeof(*proxy));
	proxy->egress.rules = (struct egress_rules){ all, "*", private };
	proxy->egress.wishes = &wish;
	proxy->egress.wish_count = 1;
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->script = script;
	run_fiber(with_proxy, a);
	assert_int_equal(a->code, ERR_OK);
	assert_string_equal(a->output, "HTTP/1.1 200 Connection established\r\n"
	                               "HTTP/1.1 502 Bad Gateway\r\n"
	                               "HTTP/1.1 403 Forbidden\r\nHTTP/1.1 403 Forbidden\r\n"
	                               "HTTP/1.1 400 Bad Request\r\nGET /a HTTP/1.1\r\n");
	assert_non_null(strstr(proxy->log, "127.0.0.1 ok 0 0\n"));
	assert_non_null(strstr(proxy->log, "127.0.0.2 its address is private 0 0\n"));
	assert_non_null(strstr(proxy->log, "evil.example not among the hosts"));
	assert_non_null(strstr(proxy->log, "localhost not among the hosts"));
	free(proxy);
	free(private);
	free(all);
	free(script);
	free(a);
}

/* ---- the way in ---- */

static char heard[256];

static void on_event(void *arg, struct str data)
{
	(void)arg;
	(void)str_copy(heard, sizeof(heard), data);
}

static void on_reply(void *arg, const struct adapter_reply *reply)
{
	struct fiber_signal *signal = arg;
	size_t n = strlen(heard);

	(void)snprintf(heard + n, sizeof(heard) - n, " %u %.*s", reply->status, (int)reply->body.n,
	               reply->body.p);
	fiber_signal_raise(signal);
}

static void on_over(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

static char serve_path[2 * PATH_SIZE];

static void speak_to_it(struct runner *runner)
{
	struct fiber_signal signal;
	const struct agent_http_options options = { .port = 4100,
		                                    .socket = serve_path,
		                                    .uid = user.drop ? user.uid : geteuid(),
		                                    .user = "u",
		                                    .events_path = "/event",
		                                    .password = STR_LIT("p"),
		                                    .arg = &signal,
		                                    .event = on_event,
		                                    .reply = on_reply,
		                                    .over = on_over };
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	struct agent_http *http = NULL;
	enum runner_stream from;
	struct err err = { .msg = "" };
	size_t n;

	fiber_signal_init(&signal);
	if (runner_read(runner, chunk, WAIT_MS, &n, &from) == ERR_OK &&
	    agent_http_open(fiber_loop(), &options, &http, &err) == ERR_OK) {
		agent_http_request(http, STR_LIT("t"), STR_LIT("POST /x"), STR_LIT("{}"));
		(void)!fiber_signal_wait(&signal, WAIT_MS);
	} else {
		(void)str_copy(heard, sizeof(heard), str_of(err.msg));
	}
	agent_http_close(http);
	runner_kill(runner);
	free(chunk);
}

static void an_agent_that_is_a_server_is_reached_in_its_own_network(void **state)
{
	struct attempt *a;

	(void)state;
	assert_true(works());
	a = mem_calloc(1, sizeof(*a));
	(void)snprintf(serve_path, sizeof(serve_path), "%s/.serve", home);
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->serve = serve_path;
	a->meanwhile = speak_to_it;
	a->script = "exec python3 -u -c '\n"
		    "import http.server as h\n"
		    "class S(h.BaseHTTPRequestHandler):\n"
		    "  protocol_version = \"HTTP/1.1\"\n"
		    "  def do_GET(s):\n"
		    "    s.send_response(200)\n"
		    "    s.send_header(\"Content-Type\", \"text/event-stream\")\n"
		    "    s.end_headers()\n"
		    "    s.wfile.write(b\"data: up\\n\\n\")\n"
		    "    s.close_connection = False\n"
		    "  def do_POST(s):\n"
		    "    s.rfile.read(int(s.headers[\"Content-Length\"]))\n"
		    "    s.send_response(201)\n"
		    "    s.send_header(\"Content-Length\", \"2\")\n"
		    "    s.end_headers()\n"
		    "    s.wfile.write(b\"ok\")\n"
		    "s = h.ThreadingHTTPServer((\"127.0.0.1\", 4100), S)\n"
		    "print(\"listens\")\n"
		    "s.serve_forever()' 2>/dev/null";
	run(a);
	assert_string_equal(heard, "up 201 ok");
	free(a);
}

/* ---- limits ---- */

static void a_fork_bomb_ends_at_its_limit(void **state)
{
	struct attempt *a;

	(void)state;
	assert_true(works());
	a = mem_calloc(1, sizeof(*a));
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->script = "dash -c 'while :; do sleep 60 & done' 2>&1";
	run(a);
	assert_int_equal(a->code, ERR_OK);
	assert_non_null(strstr(a->output, "Cannot fork"));
	free(a);
}

static void memory_and_files_end_at_their_limits(void **state)
{
	(void)state;
	assert_true(works());
	says(SANDBOX_WORKSPACE_WRITE,
	     "exec 2>/dev/null; (x=$(head -c 300000000 /dev/zero | tr '\\0' a)) && echo yes; "
	     "(head -c 50000000 /dev/zero >big) && echo yes; stat -c %s big; rm big; "
	     "(head -c 30000000 /dev/zero >/tmp/one) && (head -c 30000000 /dev/zero >/tmp/two) || "
	     "echo full",
	     "33554432\nfull\n");
}

/* ---- its life ---- */

static void stop_it(struct runner *runner)
{
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	enum runner_stream from;
	size_t n;

	if (runner_read(runner, chunk, WAIT_MS, &n, &from) == ERR_OK) {
		runner_stop(runner, 10000);
	}
	free(chunk);
}

static void who_is_asked_to_end_may_say_goodbye(void **state)
{
	struct attempt *a;

	(void)state;
	assert_true(works());
	a = mem_calloc(1, sizeof(*a));
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->script =
		"exec 2>/dev/null; trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; "
		"done";
	a->meanwhile = stop_it;
	run(a);
	assert_int_equal(a->code, ERR_OK);
	assert_string_equal(a->output, "bye\n");
	assert_int_equal(a->exit.code, 7);
	free(a);
}

static bool froze, thawed;

static void freeze_it(struct runner *runner)
{
	froze = runner_freeze(runner, WAIT_MS) == ERR_OK;
	thawed = runner_thaw(runner, WAIT_MS) == ERR_OK;
}

static void what_is_in_it_is_frozen_and_goes_on(void **state)
{
	struct attempt *a;

	(void)state;
	assert_true(works());
	a = mem_calloc(1, sizeof(*a));
	a->profile = SANDBOX_WORKSPACE_WRITE;
	a->script = "(setsid sleep 0.3; echo child) & wait; echo done";
	a->meanwhile = freeze_it;
	run(a);
	assert_true(froze && thawed);
	assert_int_equal(a->code, ERR_OK);
	assert_string_equal(a->output, "child\ndone\n");
	free(a);
}

/* ---- */

static void make_for_agent(char path[PATH_SIZE], const char *name)
{
	(void)snprintf(path, PATH_SIZE, "%s/%s", state_dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(!user.drop || chown(path, user.uid, user.gid) == 0);
}

static void put_secret(void)
{
	char path[2 * PATH_SIZE];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/secret", other);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && write(fd, "secret\n", 7) == 7 && close(fd) == 0);
}

static void listen_on_host(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(at);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	            listen(fd, 8) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	open_port = ntohs(at.sin_port);
	host_listener = fd;
}

static void probe(struct loop *loop, void *arg)
{
	struct err err;

	(void)loop;
	(void)arg;
	if (sandbox_find(&host, &user, arena, &host.bwrap, &err) != ERR_OK) {
		(void)str_copy(why_not, sizeof(why_not), str_of(err.msg));
	}
}

static int set_up(void **state)
{
	struct err err;

	(void)state;
	arena = arena_new();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(process_user_find(geteuid() == 0 ? "nobody" : "", &user, &err), ERR_OK);
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	assert_int_equal(mkdir(state_dir, 0755), 0);
	make_for_agent(workspace, "w");
	make_for_agent(home, "h");
	make_for_agent(other, "other");
	put_secret();
	listen_on_host();
	host = (struct sandbox_host){
		.guard_path = GUARD_PATH,
		.user = &user,
		.state_dir = state_dir,
		.home = "",
		.hide = "/home,/root",
		.limits = { .processes = 64, .memory = 256U << 20, .file_size = 32U << 20 }
	};
	run_fiber(probe, NULL);
	return 0;
}

static int tear_down(void **state)
{
	char command[2 * PATH_SIZE];

	(void)state;
	arena_free(arena);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_is_read_only_and_others_are_not_seen),
		cmocka_unit_test(what_is_hidden_in_a_folder_that_cannot_be_read_takes_it_along),
		cmocka_unit_test(a_workspace_that_is_read_only_cannot_be_written),
		cmocka_unit_test(it_has_no_rights_and_gets_none),
		cmocka_unit_test(its_guard_cannot_be_seen_or_killed),
		cmocka_unit_test(the_network_is_not_reached),
		cmocka_unit_test(only_hosts_that_are_allowed_are_reached_and_each_is_told),
		cmocka_unit_test(an_agent_that_is_a_server_is_reached_in_its_own_network),
		cmocka_unit_test(a_fork_bomb_ends_at_its_limit),
		cmocka_unit_test(memory_and_files_end_at_their_limits),
		cmocka_unit_test(who_is_asked_to_end_may_say_goodbye),
		cmocka_unit_test(what_is_in_it_is_frozen_and_goes_on),
	};

	return cmocka_run_group_tests_name("sandbox", tests, set_up, tear_down);
}
