/* How connections live and end: pipelining, deadlines, clients that leave, streams, drain, limits.
 */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/http_stand.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { MANY = 1000, SHORT_MS = 300, LATE_MS = 3000, FEW_FDS = 32, FEW = 8, BIG = 16777216 };

static const struct http_options plain = { .listen = NULL };
static const struct http_options impatient = {
	.head_timeout_ms = SHORT_MS,
	.body_timeout_ms = SHORT_MS,
	.keepalive_ms = SHORT_MS,
	.write_timeout_ms = SHORT_MS,
};

/* ---- pipelining ---- */

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct http_options options = { .max_pipelined = 2 };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;
	char text[128];

	(void)state;
	for (int i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof(text),
		               "GET /slow?ms=%d&say=%d HTTP/1.1\r\nHost: a\r\n\r\n", 5 - i % 6, i);
		client_say(&client, text);
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		client_reply(&client, &reply);
		assert_string_equal(buf_cstr(&reply.body), text);
		buf_fini(&reply.body);
	}
	client_close(&client);
	http_stand_stop(&stand);
}

static void answers_without_a_handler_keep_their_place(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_say(&client, GET("/slow?ms=50") GET("/nowhere") GET("/hello") GET("/nowhere")
	                            GET("/slow?ms=5"));
	client_expect(&client, "", 200);
	client_expect(&client, "", 404);
	client_expect(&client, "", 200);
	client_expect(&client, "", 404);
	client_expect(&client, "", 200);
	client_close(&client);
	http_stand_stop(&stand);
}

/* ---- deadlines ---- */

/* Send a byte every 20 ms, until the server has had enough of it. */
static void drip_until_408(const struct http_stand *stand, const char *start)
{
	struct client client = client_open(stand->port);
	uint64_t began = clock_mono_ms();
	struct pollfd wait = { .fd = client.fd, .events = POLLIN };

	client_say(&client, start);
	while (poll(&wait, 1, 20) == 0) {
		client_say(&client, "a");
		assert_true(clock_mono_ms() - began < LATE_MS);
	}
	client_expect(&client, "", 408);
	assert_true(clock_mono_ms() - began >= SHORT_MS - 50);
	client_expect_end(&client);
	client_close(&client);
}

static void a_slow_head_or_body_is_cut_in_time(void **state)
{
	struct http_stand stand = http_stand_start(&impatient, 0);

	(void)state;
	drip_until_408(&stand, "GET /");
	drip_until_408(&stand, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	drip_until_408(&stand, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
	assert_int_equal(http_stand_count(&stand, "requests"), 0);
	http_stand_stop(&stand);
}

static void an_idle_connection_is_closed(void **state)
{
	struct http_stand stand = http_stand_start(&impatient, 0);
	struct client used = client_open(stand.port), unused = client_open(stand.port);

	(void)state;
	client_expect(&used, GET("/hello"), 200);
	client_expect_end(&used);
	client_expect_end(&unused);
	client_close(&used);
	client_close(&unused);
	http_stand_stop(&stand);
}

static void a_peer_that_does_not_read_is_cut(void **state)
{
	struct http_stand stand = http_stand_start(&impatient, 0);
	struct client big = client_open(stand.port), flood = client_open(stand.port);

	(void)state;
	client_say(&big, "GET /big?n=16777216 HTTP/1.1\r\nHost: a\r\n\r\n");
	client_say(&flood, GET("/flood"));
	http_stand_await(&stand, "closed", 1);
	http_stand_await(&stand, "connections", 1);
	client_close(&big);
	client_close(&flood);
	http_stand_stop(&stand);
}

static void a_large_reply_arrives_whole(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "GET /big?n=16777216 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
	client_reply(&client, &reply);
	assert_int_equal(reply.body.len, BIG);
	buf_fini(&reply.body);
	client_expect(&client, "", 200);
	client_close(&client);
	http_stand_stop(&stand);
}

/* ---- clients that leave ---- */

static void reset_now(struct client *client)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	client_close(client);
}

static void a_client_that_leaves_cancels_its_handler(void **state)
{
	struct http_options options = { .max_pipelined = 1 };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_say(&client, GET("/slow?ms=50000"));
	http_stand_await(&stand, "requests", 1);
	client_close(&client);
	http_stand_await(&stand, "cancelled", 1);

	client = client_open(stand.port);
	client_say(&client, GET("/slow?ms=50000"));
	http_stand_await(&stand, "requests", 2);
	reset_now(&client);
	http_stand_await(&stand, "cancelled", 2);

	/* With requests read ahead the server has stopped reading: it notices all the same. */
	client = client_open(stand.port);
	client_say(&client, GET("/slow?ms=50000") GET("/hello") GET("/hello"));
	http_stand_await(&stand, "requests", 3);
	client_say(&client, GET("/hello"));
	client_close(&client);
	http_stand_await(&stand, "cancelled", 3);

	client = client_open(stand.port);
	client_say(&client, GET("/slow?ms=50000") GET("/hello") GET("/hello"));
	http_stand_await(&stand, "requests", 4);
	reset_now(&client);
	http_stand_await(&stand, "cancelled", 4);
	http_stand_await(&stand, "gone", 4);
	http_stand_stop(&stand);
}

static void a_client_that_leaves_before_its_stream_opens_still_ends_it(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);

	(void)state;
	client_say(&client, GET("/slow-stream"));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(http_stand_count(&stand, "closed"), 0);
	}
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	assert_int_equal(http_stand_count(&stand, "opened"), 0);
	http_stand_stop(&stand);
}

/* ---- streams ---- */

static void a_stream_has_its_own_head_and_ends_with_its_client(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, GET("/stream"));
	client_head(&client, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(client_field(&reply, "Content-Type"), "text/event-stream");
	assert_string_equal(client_field(&reply, "Cache-Control"), "no-cache");
	assert_string_equal(client_field(&reply, "X-Accel-Buffering"), "no");
	assert_string_equal(client_field(&reply, "Connection"), "close");
	assert_null(client_field(&reply, "Content-Length"));
	client_until(&client, "data: hello\n\n");
	assert_int_equal(http_stand_count(&stand, "opened"), 1);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	http_stand_stop(&stand);
}

static void head_of_a_stream_opens_none(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	client_head(&client, &reply);
	assert_int_equal(reply.status, 200);
	client_expect_end(&client);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	assert_int_equal(http_stand_count(&stand, "opened"), 0);
	http_stand_stop(&stand);
}

static void a_full_stream_is_told_when_there_is_room(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;
	size_t taken = 0;

	(void)state;
	client_say(&client, GET("/flood"));
	/* The stand answers again once its first burst has met a full socket; a reader that kept
	 * up with it would never let it be full. */
	http_stand_await(&stand, "opened", 1);
	client_head(&client, &reply);
	while (taken < BIG) {
		assert_true(client_more(&client));
		taken += client.in.len;
		buf_reset(&client.in);
	}
	for (int i = 0; i < 1000 && http_stand_count(&stand, "writable") < 2; i++) {
		(void)poll(NULL, 0, 5);
	}
	assert_true(http_stand_count(&stand, "writable") > 1);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	http_stand_stop(&stand);
}

static void after_101_both_sides_talk(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_say(&client, "GET /talk HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
	                    "Upgrade: talk\r\n\r\nearly");
	client_head(&client, &reply);
	assert_int_equal(reply.status, 101);
	assert_string_equal(client_field(&reply, "Connection"), "Upgrade");
	assert_null(client_field(&reply, "Content-Type"));
	client_until(&client, "data: hello\n\nearly");
	client_say(&client, "late");
	client_until(&client, "late");
	client_say(&client, "bye");
	client_to_end(&client);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	http_stand_stop(&stand);
}

/* The kernel takes what it can hold, and then no more: the peer is slowed down. */
static void a_paused_stream_is_read_no_further_until_it_goes_on(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port), other;
	struct pollfd poller = { .fd = client.fd, .events = POLLOUT };
	static char block[64 * 1024];
	size_t sent = 0;
	ssize_t n;

	(void)state;
	client_say(&client, "GET /talk HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
	                    "Upgrade: talk\r\n\r\n");
	client_until(&client, "data: hello\n\n");
	client_say(&client, "hush");
	client_until(&client, "hushed");
	while (poll(&poller, 1, 300) == 1) {
		n = send(client.fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_true(sent > sizeof(block));
	assert_int_equal(http_stand_count(&stand, "heard"), 0);
	other = client_open(stand.port);
	client_expect(&other, "GET /go-on HTTP/1.1\r\nHost: a\r\n\r\n", 200);
	http_stand_await(&stand, "heard", (unsigned)sent);
	client_close(&other);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	http_stand_stop(&stand);
}

static void a_stream_without_input_takes_only_so_much(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	static char noise[4096];
	ssize_t n = 1;

	(void)state;
	client_say(&client, GET("/stream"));
	client_until(&client, "hello");
	for (int i = 0; i < 10000 && n > 0; i++) {
		n = send(client.fd, noise, sizeof(noise), MSG_NOSIGNAL);
	}
	assert_int_equal(n, -1);
	client_close(&client);
	http_stand_await(&stand, "closed", 1);
	http_stand_stop(&stand);
}

/* ---- drain ---- */

static void drain_finishes_what_is_in_flight(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client busy = client_open(stand.port), idle = client_open(stand.port);
	struct client stream = client_open(stand.port), fresh = client_open(stand.port);
	struct client_reply reply;

	(void)state;
	client_expect(&idle, GET("/hello"), 200);
	client_say(&stream, GET("/stream"));
	client_until(&stream, "hello");
	client_say(&busy, GET("/slow?ms=400"));
	http_stand_await(&stand, "requests", 3);
	http_stand_drain(&stand);
	client_until(&stream, "data: bye\n\n");
	client_to_end(&stream);
	client_expect_end(&idle);
	/* Who has not asked yet is given longer than who might ask again. */
	client_expect(&fresh, GET("/hello"), 200);
	client_expect_end(&fresh);
	client_close(&fresh);
	client_reply(&busy, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(client_field(&reply, "Connection"), "close");
	assert_string_equal(buf_cstr(&reply.body), "slept");
	buf_fini(&reply.body);
	client_expect_end(&busy);
	client_close(&busy);
	client_close(&idle);
	client_close(&stream);
	http_stand_stop(&stand);
}

static void drain_cuts_what_does_not_end(void **state)
{
	struct http_stand stand = http_stand_start(&plain, 0);
	struct client client = client_open(stand.port);
	uint64_t began;

	(void)state;
	client_say(&client, GET("/slow?ms=50000"));
	http_stand_await(&stand, "requests", 1);
	began = clock_mono_ms();
	http_stand_stop(&stand);
	assert_true(clock_mono_ms() - began < 10000);
	client_expect_end(&client);
	client_close(&client);
}

/* ---- limits ---- */

static void a_thousand_connections_are_served(void **state)
{
	static struct client clients[MANY];
	struct http_stand stand = http_stand_start(&plain, 0);

	(void)state;
	for (int i = 0; i < MANY; i++) {
		clients[i] = client_open(stand.port);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			client_say(&clients[i], GET("/hello"));
		}
		for (int i = 0; i < MANY; i++) {
			client_expect(&clients[i], "", 200);
		}
	}
	assert_int_equal(http_stand_count(&stand, "connections"), MANY + 1);
	for (int i = 0; i < MANY; i++) {
		client_close(&clients[i]);
	}
	http_stand_await(&stand, "connections", 1);
	http_stand_stop(&stand);
}

static void one_connection_too_many_is_turned_away(void **state)
{
	struct http_options options = { .max_connections = FEW };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client clients[FEW], extra;

	(void)state;
	for (int i = 0; i < FEW; i++) {
		clients[i] = client_open(stand.port);
		client_expect(&clients[i], GET("/hello"), 200);
	}
	extra = client_open(stand.port);
	client_expect(&extra, "", 503);
	client_expect_end(&extra);
	client_close(&extra);
	client_close(&clients[0]);
	client_close(&clients[1]);
	client_expect(&clients[2], GET("/hello"), 200);
	http_stand_await(&stand, "connections", FEW - 1);
	for (int i = 2; i < FEW; i++) {
		client_close(&clients[i]);
	}
	http_stand_stop(&stand);
}

/* True: it was told so before it asked for anything. */
static bool is_turned_away(struct client *client)
{
	struct pollfd wait = { .fd = client->fd, .events = POLLIN };
	struct client_reply reply;

	if (poll(&wait, 1, 50) == 0) {
		return false;
	}
	client_reply(client, &reply);
	assert_int_equal(reply.status, 503);
	assert_string_equal(client_field(&reply, "Retry-After"), "1");
	buf_fini(&reply.body);
	return true;
}

static void an_address_holds_only_so_many_connections(void **state)
{
	struct http_options options = { .address_connections = FEW };
	struct http_options behind = { .address_connections = 1, .trusted_proxies = "127.0.0.1" };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client clients[FEW], extra;

	(void)state;
	for (int i = 0; i < FEW; i++) {
		clients[i] = client_open(stand.port);
		client_expect(&clients[i], GET("/hello"), 200);
	}
	extra = client_open(stand.port);
	client_expect(&extra, "", 503);
	client_close(&extra);
	client_close(&clients[0]);
	while (clients[0] = client_open(stand.port), is_turned_away(&clients[0])) {
		client_close(&clients[0]);
	}
	client_expect(&clients[0], GET("/hello"), 200);
	for (int i = 0; i < FEW; i++) {
		client_close(&clients[i]);
	}
	http_stand_stop(&stand);
	stand = http_stand_start(&behind, 0);
	for (int i = 0; i < FEW; i++) {
		clients[i] = client_open(stand.port);
		client_expect(&clients[i], GET("/hello"), 200);
	}
	for (int i = 0; i < FEW; i++) {
		client_close(&clients[i]);
	}
	http_stand_stop(&stand);
}

/* A second's worth at once, then as many as the rate gives. */
static void connections_that_come_too_fast_are_turned_away(void **state)
{
	struct http_options options = { .accept_rate = FEW };
	struct http_stand stand = http_stand_start(&options, 0);
	struct client client;
	bool refused = false;

	(void)state;
	for (int i = 0; i < FEW; i++) {
		client = client_open(stand.port);
		client_expect(&client, GET("/hello"), 200);
		client_close(&client);
	}
	for (int i = 0; i < 4 * FEW && !refused; i++) {
		client = client_open(stand.port);
		refused = is_turned_away(&client);
		client_close(&client);
	}
	assert_true(refused);
	for (client = client_open(stand.port); is_turned_away(&client);
	     client = client_open(stand.port)) {
		client_close(&client);
	}
	client_expect(&client, GET("/hello"), 200);
	client_close(&client);
	http_stand_stop(&stand);
}

static unsigned cpu_ms_of(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned long user, system;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	(void)fclose(file);
	at = strrchr(text, ')');
	for (unsigned field = 2; field < 14; field++) { /* proc(5): 14 is utime, 15 is stime */
		assert_non_null(at);
		at = strchr(at + 1, ' ');
	}
	assert_non_null(at);
	user = strtoul(at, &at, 10);
	assert_int_equal(*at, ' ');
	system = strtoul(at, &at, 10);
	assert_int_equal(*at, ' ');
	return (unsigned)((user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

static void without_descriptors_the_server_waits_and_goes_on(void **state)
{
	struct http_stand stand = http_stand_start(&plain, FEW_FDS);
	struct client clients[FEW_FDS];
	struct pollfd wait;
	unsigned cpu;
	int served = 0;

	(void)state;
	for (int i = 0; i < FEW_FDS; i++) {
		clients[i] =
			client_open(stand.port); /* the backlog takes what the process cannot */
		client_say(&clients[i], GET("/hello"));
	}
	client_expect(&clients[0], "", 200);
	cpu = cpu_ms_of(stand.pid);
	wait = (struct pollfd){ .fd = clients[FEW_FDS - 1].fd, .events = POLLIN };
	assert_int_equal(poll(&wait, 1, 1000), 0); /* it cannot be served, and nothing spins */
	assert_true(cpu_ms_of(stand.pid) - cpu < 300);
	for (int i = 0; i < FEW_FDS / 2; i++) {
		client_close(&clients[i]);
	}
	for (int i = FEW_FDS / 2; i < FEW_FDS; i++) {
		client_expect(&clients[i], "", 200);
		client_close(&clients[i]);
		served++;
	}
	assert_int_equal(served, FEW_FDS / 2);
	http_stand_stop(&stand);
}

static void a_unix_socket_serves_its_group_and_is_removed(void **state)
{
	char folder[] = "/tmp/fairlead-http-XXXXXX", listen[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct client client = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	struct http_options options = { .listen = listen };
	struct http_stand stand;
	struct stat st;
	void *raw = &address;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(listen, sizeof(listen), "unix:%s/s", folder);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	/* One that was killed leaves its socket behind: the next one takes its place. */
	stand = http_stand_start(&options, 0);
	assert_int_equal(kill(stand.pid, SIGKILL), 0);
	assert_int_equal(waitpid(stand.pid, NULL, 0), stand.pid);
	stand = http_stand_start(&options, 0);
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	buf_init(&client.in, SIZE_MAX / 2);
	assert_int_equal(connect(client.fd, raw, sizeof(address)), 0);
	client_say(&client, GET("/self"));
	client_until(&client, "unix ");
	client_close(&client);
	http_stand_stop(&stand);
	assert_int_equal(stat(address.sun_path, &st), -1);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(answers_without_a_handler_keep_their_place),
		cmocka_unit_test(a_slow_head_or_body_is_cut_in_time),
		cmocka_unit_test(an_idle_connection_is_closed),
		cmocka_unit_test(a_peer_that_does_not_read_is_cut),
		cmocka_unit_test(a_large_reply_arrives_whole),
		cmocka_unit_test(a_client_that_leaves_cancels_its_handler),
		cmocka_unit_test(a_client_that_leaves_before_its_stream_opens_still_ends_it),
		cmocka_unit_test(a_stream_has_its_own_head_and_ends_with_its_client),
		cmocka_unit_test(head_of_a_stream_opens_none),
		cmocka_unit_test(a_full_stream_is_told_when_there_is_room),
		cmocka_unit_test(after_101_both_sides_talk),
		cmocka_unit_test(a_paused_stream_is_read_no_further_until_it_goes_on),
		cmocka_unit_test(a_stream_without_input_takes_only_so_much),
		cmocka_unit_test(drain_finishes_what_is_in_flight),
		cmocka_unit_test(drain_cuts_what_does_not_end),
		cmocka_unit_test(a_thousand_connections_are_served),
		cmocka_unit_test(one_connection_too_many_is_turned_away),
		cmocka_unit_test(an_address_holds_only_so_many_connections),
		cmocka_unit_test(connections_that_come_too_fast_are_turned_away),
		cmocka_unit_test(without_descriptors_the_server_waits_and_goes_on),
		cmocka_unit_test(a_unix_socket_serves_its_group_and_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
